"""A real call through a running LiveKit: two clients, one room, sound that proves it is alive.

``python -m procedures.call --access .lab/access.json`` makes one and says how it went; tests use
:class:`Call`. A call runs in a thread of its own, so a test may block as long as it likes without showing up
as a gap. Code under gevent's monkey patching (a pyinfra run) has no such threads: it starts the command and
reads its ``--json``; what it imports from here must not load the SDK, hence the names on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.lazy import lazily

if TYPE_CHECKING:
    from procedures.call.access import Access
    from procedures.call.announced import Announced, where
    from procedures.call.client import Call
    from procedures.call.errors import CallError
    from procedures.call.report import Event, Gap, Report, largest_gap
    from procedures.call.seats import Ice
    from procedures.call.server import Node, pinned, room_service, server_api, token

__all__ = [
    "Access",
    "Announced",
    "Call",
    "CallError",
    "Event",
    "Gap",
    "Ice",
    "Node",
    "Report",
    "largest_gap",
    "pinned",
    "room_service",
    "server_api",
    "token",
    "where",
]
__getattr__ = lazily(
    __name__,
    access=("Access",),
    announced=("Announced", "where"),
    client=("Call",),
    errors=("CallError",),
    report=("Event", "Gap", "Report", "largest_gap"),
    seats=("Ice",),
    server=("Node", "pinned", "room_service", "server_api", "token"),
)
