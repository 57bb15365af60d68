"""What status says of a call while it runs, while its slot drains, and of a room that nobody has joined."""

from __future__ import annotations

import asyncio
import calendar
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from livekit.protocol.room import CreateRoomRequest, DeleteRoomRequest

from procedures.call import Access, room_service
from tests.deploys import deploy, variant
from tests.lab import Lab, lab
from tests.slots import ended, pinned, serving
from tests.statuses import hosts, status

FIRST = lab().site.with_role("livekit")[0]
SOON = 30.0  # s until the slot's own numbers have followed; its hidden witnesses have left by then


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Path]:
    """An inventory that needs a new slot on every host; the site's own is deployed again in the end."""
    yield variant(tmp_path, {"livekit": {"room": {"empty_timeout": 302}}})
    assert deploy().status == 0


def slot_of(unit: str) -> str:
    return unit.partition("@")[2].removesuffix(".service")


async def until(slot: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What status says of a slot of the first host, once that is as ``wanted``."""
    end = time.monotonic() + SOON
    while True:
        found: dict[str, Any] = (await asyncio.to_thread(hosts))[FIRST]["slots"][slot]
        if wanted(found):
            return found
        assert time.monotonic() < end, found


def people(rooms: int, participants: int) -> Callable[[dict[str, Any]], bool]:
    return lambda found: (found["rooms"], found["participants"]) == (rooms, participants)


def seconds(moment: str) -> int:
    return calendar.timegm(time.strptime(moment, "%Y-%m-%d %H:%M:%SZ"))


def test_a_call_is_counted_where_it_is_before_and_after_a_change(access: Access, lab: Lab, changed: Path) -> None:
    old = serving(lab.site, FIRST)

    async def scenario() -> None:
        async with await pinned(access, old.node, FIRST):
            found = await until(slot_of(old.unit), people(1, 2))
            assert (found["state"], found["unjoined"]) == ("active", [])
            assert found["websockets"] == 2
            assert found["since"] is found["deadline"] is None

            before = int(time.time())
            told = await asyncio.to_thread(deploy, changed)
            after = int(time.time())
            assert told.status == 0, told.text
            drains = await until(slot_of(old.unit), people(1, 2))
            assert drains["state"] == "draining"
            assert (drains["generation"], drains["release"]) == (found["generation"], found["release"])
            assert before <= seconds(drains["since"]) <= after
            assert seconds(drains["deadline"]) - seconds(drains["since"]) == lab.site.livekit.drain.deadline
            new = serving(lab.site, FIRST)
            assert (await until(slot_of(new.unit), people(0, 0)))["state"] == "active"
            text = (await asyncio.to_thread(status)).text
            assert f"go to slot {slot_of(new.unit)}\n" in text
            assert "drains since" in text

    asyncio.run(scenario())
    ended(FIRST, old.unit)
    found = hosts()[FIRST]["slots"][slot_of(old.unit)]
    assert (found["state"], found["since"], found["rooms"]) == ("empty", None, None)


NAME = 'weekly "all hands" \x1b[31m\n# ü'


def test_a_room_that_nobody_has_joined_is_named(access: Access, lab: Lab) -> None:
    slot = serving(lab.site, FIRST)
    room = f"{NAME} {uuid4().hex[:8]}"

    async def scenario() -> None:
        async with room_service(access) as rooms:
            await rooms.create_room(CreateRoomRequest(name=room, node_id=slot.node))
            try:
                found = await until(slot_of(slot.unit), lambda said: bool(said["unjoined"]))
                assert found["unjoined"] == [room]
                assert found["participants"] == 0
                assert repr(room) in (await asyncio.to_thread(status)).text
            finally:
                await rooms.delete_room(DeleteRoomRequest(room=room))
            await until(slot_of(slot.unit), lambda said: said["unjoined"] == [])

    asyncio.run(scenario())
