"""What a change does to a phone call: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from tests.sip.conftest import real, up
from tests.sip.phone import Line, Phone, talking
from tests.sip.slots import ended, serving, shown
from tests.support.calls.sip import Untouched, untouched_phones
from tests.support.hosts.deploys import deploy, unchanging, variant
from tests.support.hosts.lab import INVENTORY, Lab
from tests.upgrade.judge import FACTOR, LIMIT

Ring = Callable[..., Phone]


@pytest.fixture
def mended() -> Iterator[None]:
    """The site's own inventory is deployed again in the end."""
    yield
    assert deploy().status == 0
    unchanging(INVENTORY)


def changed(tmp_path: Path, interval: int = 2, **more: Any) -> Path:
    """An inventory that needs a new slot."""
    return variant(tmp_path, {"sip": {"extra": {"sip_ringing_interval": f"{interval}s"}} | more}, f"v{interval}")


@contextlib.asynccontextmanager
async def control(untouched: Untouched | None, phone: Ring) -> AsyncIterator[Line | None]:
    """A phone call that nothing changes under: it comes the same long way, with every buffer that is on it."""
    if not untouched:
        yield None
        return
    async with talking(untouched.access, phone(target=untouched.target, hold=90), untouched.room) as line:
        yield line


def test_a_phone_call_goes_on_through_a_change_and_the_next_one_gets_the_new_slot(
    first: Host, lab: Lab, access: Access, *, phone: Ring, tmp_path: Path, mended: None
) -> None:
    old = serving(first)

    async def scenario(untouched: Untouched | None) -> None:
        # whatever takes a moment runs aside: whoever plays and listens here would stand still meanwhile
        async with up(access, one := phone(hold=90), "hotline") as line:
            await asyncio.to_thread(unchanging)  # what its sound is like on this machine when nothing changes
            quiet = line.gap() if line else 0.0
            async with control(untouched, phone) as other:  # as long as the call is looked at
                told = await asyncio.to_thread(deploy, changed(tmp_path))
                assert told.status == 0, told.text
                assert f"sip: slot {old[12]} drains: 1 phone calls, until" in told.text
                new = await asyncio.to_thread(serving, first)
                assert new != old
                held = await asyncio.to_thread(shown, first, old, "ActiveState")
                assert held == "deactivating", "the call holds its slot"
                async with up(access, two := phone(number="+15550101", hold=3), "lobby"):
                    assert await two.over() == 0, two.errors()
                assert await asyncio.to_thread(shown, first, new, "ActiveState") == "active"
                await asyncio.to_thread(first.check_output, "systemctl restart livekit-kamailio.service")
                async with up(access, three := phone(number="+15550101", hold=3), "lobby"):
                    assert await three.over() == 0, three.errors()
                assert one.heard() == ["answered"], "it goes on"
                gap, its_gap = (line.gap(), other.gap()) if line and other else (0.0, 0.0)
            print(f"largest gaps: {gap:.0f} ms of the phone call ({quiet:.0f} before), {its_gap:.0f} ms of the control")
            assert gap <= max(LIMIT, FACTOR * max(quiet, its_gap))
            assert await one.over(90) == 0, one.errors()  # its own end: whatever of 90 s is left, and a little
            assert one.heard() == ["answered", "hung up"]

    if real():
        with untouched_phones(lab, tmp_path) as untouched:
            asyncio.run(scenario(untouched))
    else:
        asyncio.run(scenario(None))
    ended(first, old)


@pytest.mark.long
def test_a_call_is_hung_up_when_the_deadline_of_its_slot_is_over(
    first: Host, access: Access, phone: Ring, *, tmp_path: Path, mended: None
) -> None:
    short = changed(tmp_path, 3, drain={"deadline": "12s"})
    assert deploy(short).status == 0
    old = serving(first)

    async def scenario() -> None:
        async with up(access, one := phone(hold=120), "hotline"):
            assert (await asyncio.to_thread(deploy, changed(tmp_path, 4, drain={"deadline": "12s"}))).status == 0
            assert shown(first, old, "TimeoutStopUSec") == "57s"  # the deadline, and what hanging up may take
            assert await one.over(90) == 0, one.errors()
            assert one.heard() == ["answered", "they hung up"], "with BYE: a call that is killed hears nothing"

    asyncio.run(scenario())
    ended(first, old)


def test_a_slot_that_is_stopped_hangs_up(first: Host, access: Access, phone: Ring) -> None:
    """What a reboot does."""
    unit = serving(first)

    async def scenario() -> None:
        async with up(access, one := phone(hold=60), "hotline"):
            await asyncio.to_thread(first.check_output, f"systemctl restart {unit}")
            assert await one.over(20) == 0, one.errors()
            assert one.heard() == ["answered", "they hung up"]

    asyncio.run(scenario())
    assert shown(first, unit, "Result") == "success"


def test_who_may_call_changes_without_a_restart_and_without_a_call_noticing(
    first: Host, lab: Lab, access: Access, *, phone: Ring, tmp_path: Path, mended: None
) -> None:
    pid, slot = shown(first, "livekit-kamailio.service", "MainPID"), serving(first)
    outside = lab.facts["outside"]
    more = {"friend": {"networks": [f"{outside['address']}/32"], "numbers": ["+15550103"]}}
    inventory = variant(
        tmp_path, {"sip": {"trunks": more, "rules": {"friend": {"trunks": ["friend"], "room": "friend"}}}}
    )
    netns = {"local": outside["address"], "prefix": ("ip", "netns", "exec", outside["namespace"])}

    async def scenario() -> None:
        async with up(access, one := phone(hold=150), "hotline"):
            assert (await asyncio.to_thread(deploy, inventory)).status == 0
            async with up(access, two := phone(number="+15550103", hold=3, **netns), "friend"):
                assert await two.over() == 0, two.errors()
            other = phone(number="+15550100", within=5, **netns)
            await other.over()
            assert other.statuses() == [404], "each trunk has its own numbers"
            assert (await asyncio.to_thread(deploy)).status == 0
            gone = phone(number="+15550103", within=4, **netns)
            await gone.over()
            assert gone.statuses() == []
            assert one.heard() == ["answered"]

    asyncio.run(scenario())
    assert (shown(first, "livekit-kamailio.service", "MainPID"), serving(first)) == (pid, slot)


@pytest.mark.long
def test_a_release_that_does_not_run_is_refused_and_calls_go_on(
    first: Host, access: Access, phone: Ring, *, tmp_path: Path, mended: None
) -> None:
    bad = tmp_path / "livekit-sip"
    bad.write_text("#!/bin/sh\necho 'SIP version 9.9.9'; exit 0\n")
    bad.chmod(0o755)
    sha256 = subprocess.run(["sha256sum", bad], capture_output=True, text=True, check=True).stdout.split()[0]
    unit = serving(first)

    async def scenario() -> None:
        async with up(access, one := phone(hold=150), "hotline"):
            file = {"file": str(bad), "sha256": sha256, "release": "9.9.9"}
            told = await asyncio.to_thread(deploy, variant(tmp_path, {"sip": file}))
            assert told.status != 0
            assert "it exits at start" in told.text, told.text
            assert serving(first) == unit
            async with up(access, two := phone(number="+15550101", hold=2), "lobby"):
                assert await two.over() == 0, two.errors()
            assert one.heard() == ["answered"]

    asyncio.run(scenario())
