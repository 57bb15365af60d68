"""A reboot while a slot drains with people on it: it is bounded, and the host serves again afterwards."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.site.model import Site
from tests.support.hosts.deploys import deploy, unchanging
from tests.support.hosts.lab import ROOT, Lab

BOUND = 120  # s: the unit's own TimeoutStopSec is 90, the deadline of the drain is hours
Change = Callable[[Mapping[str, Any]], Path]


def active_units(host: Host) -> list[str]:
    listed = host.check_output("systemctl list-units --plain --no-legend --state=active 'livekit-server@*'")
    return [line.split()[0] for line in listed.splitlines()]


@pytest.mark.long
def test_a_reboot_does_not_wait_for_a_drain(lab: Lab, site: Site, first: Host, change: Change) -> None:
    name = next(iter(site.hosts))
    access = Access.load(lab.directory / "access.json")

    async def reboot_under_a_call() -> None:
        async with Call(access, publish_through=name, subscribe_through=name):
            (old,) = active_units(first)
            assert deploy(change({"livekit": {"log_level": "debug"}})).status == 0
            assert "deactivating" in first.check_output("systemctl show -p ActiveState %s", old), "the call is on it"
            assert "5h" in first.check_output("systemctl show -p TimeoutStopUSec %s", old)
            command = [sys.executable, "-m", "lab", "reboot", name]
            await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True, timeout=BOUND)

    asyncio.run(reboot_under_a_call())  # how the call fared is not asked: its server was killed
    first.check_output("timeout 60 sh -c 'until systemctl is-active -q livekit-edge; do sleep 0.2; done'")
    assert first.check_output("find /run/systemd/system -name '*drain*'") == ""
    (serving,) = active_units(first)
    slot = serving.partition("@")[2].removesuffix(".service")
    assert first.check_output(f"cat {site.paths.config}/active.map") == f"livekit {slot}"
    assert deploy().status == 0
    unchanging()
