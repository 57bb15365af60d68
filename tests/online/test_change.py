"""A change under a running call: the promise that stands above the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures.call import Access, Call, Report
from tests.control import untouched_server
from tests.deploys import deploy, variant
from tests.lab import Lab, lab, over_ssh
from tests.slots import ended, pinned, serving
from tests.talk import unnoticed

SERVING = [name for name, host in lab().site.hosts.items() if "livekit" in host.roles]
FIRST = SERVING[0]


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Path]:
    """An inventory that needs a new slot on every host; the site's own is deployed again in the end."""
    yield variant(tmp_path, {"livekit": {"room": {"empty_timeout": 301}}})
    assert deploy().status == 0


@pytest.fixture
def untouched(lab: Lab) -> Iterator[Access]:
    with untouched_server(lab) as access:
        yield access


def test_a_change_under_a_call_drops_nothing(access: Access, untouched: Access, lab: Lab, changed: Path) -> None:
    before = serving(lab.site, FIRST)
    reports: list[Report] = []

    async def scenario() -> None:
        async with Call(untouched) as control, await pinned(access, before.node, FIRST) as call:
            assert (await call.where()).id == before.node
            told = await asyncio.to_thread(deploy, changed)
            assert told.status == 0, told.text
            after = {name: serving(lab.site, name) for name in SERVING}
            assert after[FIRST].unit != before.unit
            async with await pinned(access, after[FIRST].node, FIRST) as new:
                assert (await new.where()).id == after[FIRST].node
            async with Call(access) as anywhere:
                assert (await anywhere.where()).id in {slot.node for slot in after.values()}
            assert (await call.where()).id == before.node, "the call is where it was"
            state = over_ssh(FIRST).run(f"systemctl is-active {before.unit}").stdout.strip()
            assert state == "deactivating", "the call holds its slot"
            reports.extend([await call.stop(), await control.stop()])

    asyncio.run(scenario())
    report, control = reports
    unnoticed(report, control)
    ended(FIRST, before.unit)
