"""Twenty conversations at once, and what a worker takes of memory; `pytest -rP` prints it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.call.conversation import Conversation
from tests.agents.conftest import STILL, Change, deployed
from tests.agents.test_node import FLEET
from tests.support.calls import workers

MANY = 20
_LOADED = 60.0  # s for an answer, while twenty begin on a machine that is busy


def taken(host: Host, slot: str, fleet: str) -> float:
    """MB of a slot's processes, what they share counted once (PSS)."""
    group = host.check_output(f"systemctl show -p ControlGroup --value livekit-agents-{fleet}@{slot}")
    files = f"sed 's,.*,/proc/&/smaps_rollup,' '/sys/fs/cgroup{group}/cgroup.procs'"
    return (
        float(host.check_output(f"cat $({files}) 2>/dev/null | awk '$1 == \"Pss:\" {{ n += $2 }} END {{ print n }}'"))
        / 1024
    )


@pytest.mark.usefixtures("back")
@pytest.mark.parametrize("fleet", [workers.ECHO, FLEET])
def test_twenty_conversations_at_once_outlive_a_change_and_end_by_themselves(
    access: Access, change: Change, first: Host, fleet: str
) -> None:
    own = {"load_threshold": 1.0, "drain": {"deadline": "1h"}}
    deployed(change({"agents": {fleet: own}}))
    zero = workers.serving(first, fleet)
    print(f"{fleet}: {taken(first, zero, fleet):.0f} MB without a job")

    def meanwhile() -> None:
        print(f"{fleet}: {taken(first, zero, fleet):.0f} MB with {MANY} jobs")
        deployed(change({"agents": {fleet: {**own, "environment": {"GREETING": "again"}}}}))
        assert workers.slots(first, "deactivating", fleet) == [zero]
        assert len(workers.rooms(first, zero, fleet)) == MANY, "all of them go on where they were"

    asyncio.run(_talk(access, fleet, meanwhile))
    workers.ended(first, zero, fleet=fleet)


async def _talk(access: Access, fleet: str, meanwhile: Callable[[], None]) -> None:
    """All of them talk while that happens, and hear themselves afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        talks = [await stack.enter_async_context(Conversation(access, fleet, within=_LOADED)) for _ in range(MANY)]
        await asyncio.to_thread(meanwhile)
        before = [talk.came_back for talk in talks]

        def all_hear() -> bool:
            return all(talk.came_back >= was + STILL for talk, was in zip(talks, before, strict=True))

        assert await asyncio.to_thread(wait_until, all_hear, 60), "somebody hears nothing any more"
        reports = [await talk.stop() for talk in talks]
    assert [report.events for report in reports] == [()] * MANY, "nobody had to come again"
