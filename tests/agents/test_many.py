"""Twenty jobs at once, and what a worker takes of memory; `pytest -rP` prints it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from livekit.protocol.agent_dispatch import CreateAgentDispatchRequest
from livekit.protocol.room import CreateRoomRequest, DeleteRoomRequest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.call.server import server_api
from tests.agents.conftest import Change, Talking, deployed
from tests.support.calls import workers

MANY = 20
BEGIN = 120.0  # s for their processes, on a machine that has two cores for all of them


def taken(host: Host, slot: str, fleet: str) -> float:
    """MB of a slot's processes, what they share counted once (PSS)."""
    group = host.check_output(f"systemctl show -p ControlGroup --value livekit-agents-{fleet}@{slot}")
    files = f"sed 's,.*,/proc/&/smaps_rollup,' '/sys/fs/cgroup{group}/cgroup.procs'"
    return (
        float(host.check_output(f"cat $({files}) 2>/dev/null | awk '$1 == \"Pss:\" {{ n += $2 }} END {{ print n }}'"))
        / 1024
    )


@contextmanager
def waiting(access: Access, fleet: str, count: int) -> Iterator[list[str]]:
    """Rooms with an agent each that waits for somebody: a process and a connection for each, and hardly any work.

    They end with the block. People who talk in all of them are more than two cores can play and listen for.
    """
    rooms = [f"waiting-{fleet}-{number}" for number in range(count)]

    async def begin() -> None:
        async with server_api(access) as client:
            for room in rooms:
                await client.room.create_room(CreateRoomRequest(name=room, empty_timeout=3600))
                wanted = CreateAgentDispatchRequest(room=room, agent_name=fleet)
                await client.agent_dispatch.create_dispatch(wanted)

    async def end() -> None:
        async with server_api(access) as client:
            for room in rooms:
                await client.room.delete_room(DeleteRoomRequest(room=room))

    try:
        asyncio.run(begin())
        yield rooms
    finally:
        asyncio.run(end())


@pytest.mark.usefixtures("back")
@pytest.mark.parametrize("fleet", [workers.ECHO, workers.NODE])
def test_twenty_jobs_outlive_a_change_and_end_by_themselves(
    talking: Talking, access: Access, change: Change, first: Host, *, fleet: str
) -> None:
    own = {"load_threshold": 1.0, "drain": {"deadline": "1h"}}
    deployed(change({"agents": {fleet: own}}))
    zero = workers.serving(first, fleet)
    print(f"{fleet}: {taken(first, zero, fleet):.0f} MB without a job")
    with talking(fleet) as talk, waiting(access, fleet, MANY - 1) as rooms:
        everywhere = sorted([*rooms, talk.conversation.room])
        began = wait_until(lambda: sorted(workers.rooms(first, zero, fleet)) == everywhere, BEGIN, every=1)
        assert began, workers.rooms(first, zero, fleet)
        print(f"{fleet}: {taken(first, zero, fleet):.0f} MB with {MANY} jobs")
        deployed(change({"agents": {fleet: {**own, "environment": {"GREETING": "again"}}}}))
        assert workers.slots(first, "deactivating", fleet) == [zero]
        assert sorted(workers.rooms(first, zero, fleet)) == everywhere, "all of them go on where they were"
        talk.unnoticed()
    workers.ended(first, zero, fleet=fleet)
