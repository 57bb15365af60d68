"""The deadline of a drain is reached with people in the room: the slot is killed, they find the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.site.model import Site
from tests.support.calls.rooms import held, sessions, swept, until
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import Lab

DEADLINE = {"drain": {"deadline": "15s"}}
BACK = 20_000.0  # ms without sound when a node dies: the bound of livekit-metal's promise


@pytest.fixture(autouse=True)
def mended(lab: Lab) -> Iterator[None]:
    """The site's own inventory is deployed again in the end; no room without a node is there in the beginning."""
    swept(lab)
    yield
    assert deploy().status == 0


def shown(host: Host, unit: str, what: str) -> str:
    said: str = host.check_output(f"systemctl show -p {what} --value {unit}")
    return said


def test_people_of_a_slot_that_is_killed_at_its_deadline_are_back_in_seconds(
    access: Access, site: Site, lab: Lab, first: Host, tmp_path: Path
) -> None:
    name, short = next(iter(site.hosts)), variant(tmp_path, {"livekit": DEADLINE}, "short")
    assert deploy(short).status == 0
    old = serving(site, name)
    changed = variant(tmp_path, {"livekit": DEADLINE | {"room": {"empty_timeout": 301}}}, "changed")

    async def scenario() -> str:
        async with Call(access, publish_through=name, subscribe_through=name) as call:
            assert (await call.where()).id == old.node
            before = await sessions(access, call.room)
            assert deploy(changed).status == 0
            new = serving(site, name)
            assert new.unit != old.unit
            assert shown(first, old.unit, "TimeoutStopUSec") == "15s"

            async def over() -> bool:
                return shown(first, old.unit, "ActiveState") != "deactivating"

            async def again() -> bool:
                return await held(access, call.room) and len(await sessions(access, call.room) - before) == len(before)

            await until(f"{old.unit} is over", over)
            assert shown(first, old.unit, "Result") == "timeout", "it was killed, with people on it"
            assert first.check_output("find /run/systemd/system -name '*drain*'") == "", (
                "a deadline is that of one drain"
            )
            await until("both are back", again)
            await asyncio.sleep(3)  # the call's own length: it goes on
            assert (await call.where()).id == new.node
            report = await call.stop()
        assert "disconnected" not in {event.what for event in report.events}, report.table()
        assert report.largest_gap_ms < BACK, report.table()
        heard_again = report.largest_gap_at_s + report.largest_gap_ms / 1000
        assert heard_again < report.first_frame_s + report.seconds, report.table()
        return call.room

    assert asyncio.run(scenario()) not in swept(lab), "it went along with its people"
    for inventory in (short, changed):  # the third slot, then the killed one
        assert deploy(inventory).status == 0
    assert serving(site, name).unit == old.unit
    assert shown(first, old.unit, "TimeoutStopUSec") == "1min 30s"
