"""Rooms of a slot that was killed: without the janitor they stay for ever; it ends them, and touches nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from livekit.protocol.room import CreateRoomRequest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.report import Report
from livekit_metal.call.server import room_service
from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.background_call import Talk
from tests.support.calls.rooms import Janitor, deleted, held, listed, redis, swept, until
from tests.support.calls.slots import Slot, draining, ended, pinned, serving
from tests.support.hosts.deploys import deploy
from tests.support.hosts.lab import ROOT, Lab
from tests.upgrade.judge import limit

OVERDUE = 5  # s that a room may be empty; when the janitor comes, it has been for longer


@dataclass(frozen=True)
class Ground:
    """The first host, and how to reach it."""

    site: Site
    name: str
    host: Host
    access: Access

    def serving(self) -> Slot:
        return serving(self.site, self.name)

    async def pinned(self, slot: Slot) -> Call:
        return await pinned(self.access, slot.node, self.name)

    def signal(self, slot: Slot, number: str) -> None:
        self.host.check_output(f"kill -{number} $(systemctl show -p MainPID --value {slot.unit})")

    async def restarted(self, was: Slot) -> Slot:
        """The process that systemd started in the place of ``was``, once it serves."""
        found = was

        async def new() -> bool:
            nonlocal found
            with contextlib.suppress(AssertionError):  # no slot is active at the moment
                found = self.serving()
            return found.node not in ("", was.node)

        await until(f"{was.unit} runs again", new)
        return found


@pytest.fixture
def ground(lab: Lab, site: Site, first: Host, access: Access) -> Iterator[Ground]:
    """Rooms without a node: none is there before. In the end the site's own inventory is deployed, and none is left."""
    swept(lab)
    yield Ground(site, next(iter(site.hosts)), first, access)
    assert deploy().status == 0
    swept(lab)


@pytest.fixture
def changed(change: Change) -> Path:
    """An inventory that needs a new slot."""
    return change({"livekit": {"room": {"empty_timeout": 701}}})


@contextlib.contextmanager
def clients(lab: Lab, node: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A call on ``node`` whose clients do not come back: their process gets killed. Its room, and that process."""
    where = str(lab.directory / "access.json")
    command = [sys.executable, "-u", "-m", "livekit_metal.call", "--access", where, "--node", node, "--seconds", "600"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said: list[str] = []
            while not (said and said[-1].startswith("first frame")):
                said.append(process.stdout.readline())
                assert said[-1], f"the call did not come up: {said}"
            yield next(line for line in said if " joins " in line).split()[2], process
        finally:
            process.kill()


async def created(access: Access, node: str, empty_timeout: int) -> str:
    """A room on ``node`` that nobody joins."""
    room = f"unjoined-{uuid4().hex[:12]}"
    async with room_service(access) as rooms:
        await rooms.create_room(CreateRoomRequest(name=room, node_id=node, empty_timeout=empty_timeout))
    return room


def test_rooms_of_a_killed_slot_end_and_others_do_not_notice(
    ground: Ground, lab: Lab, changed: Path, talk: Talk
) -> None:
    access, old = ground.access, ground.serving()
    assert deploy(changed).status == 0
    assert draining(ground.name) == [old.unit], "the talk is on it"
    killed = ground.serving()

    async def scenario() -> Report:
        async with await ground.pinned(killed) as back:
            with clients(lab, killed.node) as (gone, process):
                overdue, young = [await created(access, killed.node, seconds) for seconds in (OVERDUE, 600)]
                ground.signal(killed, "KILL")
                process.kill()
            new = await ground.restarted(killed)
            await until(f"the people of {back.room} are back", lambda: held(access, back.room))
            async with await ground.pinned(new) as live:
                await nothing_else_ends(ground, overdue, young, gone)
                lost = await asyncio.to_thread(swept, lab)
                assert set(lost) == {overdue, young, gone}
                assert (lost[overdue]["outcome"], lost[young]["outcome"]) == ("ended", "lives")
                await until(f"{gone} has ended", lambda: ended_in_redis(ground, gone))
                assert {talk.call.room, live.room, back.room, young} <= (await listed(access)).keys()
                assert (await live.where()).id == (await back.where()).id == new.node
                assert await held(access, young)
                assert await deleted(access, young), "it has a node again"
                assert await asyncio.to_thread(swept, lab) == {}
                return await live.stop()

    live = asyncio.run(scenario())
    talk.unnoticed()
    _, control = talk.stop()
    assert live.events == (), live.table()
    assert live.largest_gap_ms <= limit(control), f"{live.table()}\nthe control:\n{control.table()}"
    ended(ground.name, old.unit)


async def nothing_else_ends(ground: Ground, overdue: str, young: str, gone: str) -> None:
    """The control: what the janitor is for (livekit issue 3766)."""
    rooms = (overdue, young, gone)

    async def past_its_time() -> bool:
        return (await listed(ground.access))[overdue].creation_time + OVERDUE + 2 < time.time()

    await until(f"{overdue} is past its time", past_its_time)
    assert not any(await asyncio.gather(*(held(ground.access, room) for room in rooms)))
    assert not any(await asyncio.gather(*(deleted(ground.access, room) for room in rooms)))
    assert set(rooms) <= (await listed(ground.access)).keys()
    assert redis(ground.site, f"hlen room_participants:{gone}") == "2"


async def ended_in_redis(ground: Ground, room: str) -> bool:
    """Nothing of the room is left."""
    if room in await listed(ground.access):
        return False
    keys = [redis(ground.site, f"hexists {key} {room}") for key in ("rooms", "room_internal", "room_node_map")]
    keys += [redis(ground.site, f"exists {key}:{room}") for key in ("room_participants", "agent_dispatch")]
    return set(keys) == {"0"}


def test_a_slot_that_only_hangs_keeps_its_rooms(ground: Ground, lab: Lab, changed: Path, talk: Talk) -> None:
    old = ground.serving()
    assert deploy(changed).status == 0
    ground.signal(old, "STOP")
    try:
        janitor = Janitor(lab, "--patience", "6")
        assert "do not answer; asking them again in 6 s" in janitor.line()
    finally:
        ground.signal(old, "CONT")
    status, said = janitor.end()
    assert "none had lost their node\nok: " in said
    assert status == 0
    assert talk.where() == old.node
