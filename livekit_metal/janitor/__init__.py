"""End the rooms that a killed livekit-server left behind: ``python -m livekit_metal.janitor --inventory FILE``.

A node that dies (a kill, a power cut, the deadline of a drain) leaves its rooms in Redis, where nothing ends them:
ListRooms shows them for ever, DeleteRoom looks for their node and fails (livekit issue 3766). CreateRoom with the name
of an existing room puts it on a live node when its own is gone, builds it there from what Redis has, and that node ends
it when it is empty and past its time. Read in livekit-server 1.13.5: SelectRoomNode (pkg/service/roomallocator.go),
getOrCreateRoom (roommanager.go), CloseIfEmpty (pkg/rtc/room.go).

It also names ingresses that have lost their state (stateless.py).

Contract: a room that answers is asked and nothing else; people who come back meanwhile find their room as ever.
"""

from __future__ import annotations

from livekit_metal.janitor.report import Lost, Report
from livekit_metal.janitor.sweep import NODE_LASTS, PATIENCE, sweep

__all__ = ["NODE_LASTS", "PATIENCE", "Lost", "Report", "sweep"]
