"""What status says of a room that nobody has joined (test_change.py: of a call, and of a slot that drains)."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from livekit.protocol.room import CreateRoomRequest, DeleteRoomRequest

from livekit_metal.call.access import Access
from livekit_metal.call.server import room_service
from tests.support.calls.slots import serving
from tests.support.hosts.lab import Lab, lab
from tests.support.hosts.status import status, until

FIRST = lab().site.with_role("livekit")[0]
NAME = 'weekly "all hands" \x1b[31m\n# ü'


def test_a_room_that_nobody_has_joined_is_named(access: Access, lab: Lab) -> None:
    found = serving(lab.site, FIRST)
    slot, room = found.unit.partition("@")[2].removesuffix(".service"), f"{NAME} {uuid4().hex[:8]}"

    async def scenario() -> None:
        async with room_service(access) as rooms:
            await rooms.create_room(CreateRoomRequest(name=room, node_id=found.node))
            try:
                shown = await asyncio.to_thread(until, FIRST, slot, lambda said: room in said["unjoined"])
                assert shown["participants"] == 0
                assert repr(room) in (await asyncio.to_thread(status)).text
            finally:
                await rooms.delete_room(DeleteRoomRequest(room=room))
            await asyncio.to_thread(until, FIRST, slot, lambda said: room not in said["unjoined"])

    asyncio.run(scenario())
