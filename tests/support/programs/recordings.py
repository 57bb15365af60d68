"""Recordings as an application makes them: started, watched and stopped through LiveKit's own API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from livekit.protocol.egress import (
    DirectFileOutput,
    EgressInfo,
    EgressStatus,
    ListEgressRequest,
    StopEgressRequest,
    TrackEgressRequest,
)
from livekit.protocol.room import ListParticipantsRequest

from livekit_metal.call.access import Access
from livekit_metal.call.server import server_api

STARTS, ENDS = 30.0, 60.0  # s
OVER = (EgressStatus.EGRESS_COMPLETE, EgressStatus.EGRESS_FAILED, EgressStatus.EGRESS_ABORTED)


async def audio_track(access: Access, room: str) -> tuple[str, str]:
    """Identity and track of who publishes sound in a room."""
    async with server_api(access) as api:
        found = await api.room.list_participants(ListParticipantsRequest(room=room))
    return next((p.identity, t.sid) for p in found.participants for t in p.tracks)


async def start(access: Access, room: str, filepath: str) -> str:
    """Record the sound of a room to a file; the recording's id, once it is written to."""
    _, track = await audio_track(access, room)
    async with server_api(access) as api:
        request = TrackEgressRequest(room_name=room, track_id=track, file=DirectFileOutput(filepath=filepath))
        begun: EgressInfo = await api.egress.start_track_egress(request)
    await until(access, begun.egress_id, lambda info: info.status == EgressStatus.EGRESS_ACTIVE, STARTS)
    return begun.egress_id


async def info(access: Access, egress_id: str) -> EgressInfo:
    async with server_api(access) as api:
        found = await api.egress.list_egress(ListEgressRequest(egress_id=egress_id))
    (one,) = found.items
    return one


async def of_room(access: Access, room: str) -> list[EgressInfo]:
    """Every recording of a room, also those that nobody asked for by hand."""
    async with server_api(access) as api:
        return list((await api.egress.list_egress(ListEgressRequest(room_name=room))).items)


async def until(access: Access, egress_id: str, wanted: Callable[[EgressInfo], bool], within: float) -> EgressInfo:
    """Wait for something to be true of a recording; a recording that is over stays as it is."""
    end = time.monotonic() + within
    while not wanted(found := await info(access, egress_id)):
        assert found.status not in OVER, f"{egress_id} is over: {found}"
        assert time.monotonic() < end, f"{egress_id} after {within:.0f} s: {found}"
        await asyncio.sleep(0.2)
    return found


async def over(access: Access, egress_id: str, within: float = ENDS) -> EgressInfo:
    """The recording when it has ended, however it did."""
    return await until(access, egress_id, lambda found: found.status in OVER, within)


async def stop(access: Access, egress_id: str) -> EgressInfo:
    """End a recording; what it was like."""
    async with server_api(access) as api:
        await api.egress.stop_egress(StopEgressRequest(egress_id=egress_id))
    return await over(access, egress_id)
