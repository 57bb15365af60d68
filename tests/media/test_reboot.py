"""A reboot of a host on which everything is in use, also what drains: bounded, ended in good order, and back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit.protocol.egress import EgressStatus

from livekit_metal.call.access import Access
from tests.sip.conftest import up
from tests.sip.phone import Phone
from tests.sip.slots import serving as sip_serving
from tests.sip.slots import shown
from tests.support.calls.recorder import HOST, Recording, kept, recording, state
from tests.support.hosts.deploys import deploy, unchanging, variant
from tests.support.hosts.lab import INVENTORY, ROOT, lab, over_ssh
from tests.support.programs import recordings

LENGTH = 5.0  # s, of what is recorded before
BOUND = 120  # s; the deadlines of the drains are an hour and more


@pytest.fixture
def as_it_was() -> Iterator[None]:
    yield
    assert deploy().status == 0
    unchanging(INVENTORY)


def back() -> None:
    """Wait until every daemon works that the host should have.

    That it is active is not enough: one that starts before Redis ends again, and systemd has another try 2 s later. And
    HAProxy, which is up first, leads to livekit-server only when it has seen it answer twice.
    """
    host, site = over_ssh(HOST), lab().site
    waited = [f"systemctl -q is-active {each}" for each in ("livekit-edge", "livekit-kamailio")]
    for line in host.check_output(f"cat {site.paths.config}/active.map").splitlines():
        daemon, slot = line.split()
        port = getattr(site.for_host(HOST), daemon).part("metrics" if daemon == "livekit" else "health", slot).first
        waited.append(f"curl -sf -m 2 -o /dev/null http://127.0.0.1:{port}/")
    waited.append(f"curl -sf -m 2 -o /dev/null http://127.0.0.1:{site.edge.http}/")
    for each in waited:
        host.check_output(f"timeout 60 sh -c 'until {each}; do sleep 0.2; done'")


async def known(access: Access, *ended: Recording) -> None:
    """Assert that LiveKit knows of each that it is over and whole; a stand-in tells LiveKit nothing."""
    for one in ended:
        if one.access:
            info = await recordings.info(access, one.id)
            assert info.status == EgressStatus.EGRESS_COMPLETE, info


@pytest.mark.long
def test_a_reboot_ends_recordings_and_phone_calls_in_good_order(
    access: Access, as_it_was: None, tmp_path: Path
) -> None:
    """One recording and one call on slots that drain, one of each on those that serve."""
    host, kamailio = over_ssh(HOST), lab().site.for_host(HOST).kamailio
    assert kamailio
    at = {"local": lab().facts["gateway"], "target": f"{kamailio.address}:{kamailio.port}", "hold": 300}
    new = variant(tmp_path, {"egress": {"log_level": "debug"}, "sip": {"extra": {"sip_ringing_interval": "2s"}}})
    reboot = [sys.executable, "-m", "lab", "reboot", HOST]

    async def scenario() -> None:
        sip = sip_serving(host)
        async with recording(access) as drains, up(access, first := Phone(tmp_path, **at), "hotline"):
            told = await asyncio.to_thread(deploy, new)
            assert told.status == 0, told.text
            assert state(drains.slot) == "deactivating", "the recording holds its slot"
            assert shown(host, sip, "ActiveState") == "deactivating", "the call holds its slot"
            second = Phone(tmp_path, number="+15550101", **at)
            async with recording(access) as serves, up(access, second, "lobby"):
                await asyncio.sleep(LENGTH)
                await asyncio.to_thread(subprocess.run, reboot, cwd=ROOT, check=True, timeout=BOUND)
                for one in (drains, serves):
                    await one.over()
                    assert one.seconds() >= LENGTH - 0.5
                for phone in (first, second):
                    assert await phone.over(20) == 0, phone.errors()
                    assert phone.heard() == ["answered", "they hung up"], "with BYE: else it hears nothing"
        assert not kept("cut-short")
        await asyncio.to_thread(back)
        await known(access, drains, serves)

    asyncio.run(scenario())
    assert host.check_output("find /run/systemd/system -name '*drain*'") == ""
    unchanging(new)
