"""TURN and ICE over TCP are turned off under calls that use them: these go on, new ones have UDP alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.forced_path import Path
from livekit_metal.call.report import Report
from livekit_metal.site import inventory
from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.background_call import unnoticed
from tests.support.calls.slots import ENDS, draining, ended, pinned, serving
from tests.support.calls.turn import told
from tests.support.hosts.deploys import deploy, unchanging

WAYS: tuple[Path, ...] = ("tcp", "turn-udp")


@pytest.fixture(autouse=True)
def mended(site: Site) -> Iterator[None]:
    yield
    name = next(iter(site.hosts))
    for _ in range(2):  # the second takes away the ways that the edge still had to the slot without them
        assert deploy().status == 0
        assert wait_until(lambda: not draining(name), ENDS), f"a slot of {name} still drains"
    unchanging()


def test_whoever_is_on_stays_and_whoever_comes_has_udp_alone(
    access: Access, control: Access, site: Site, change: Change, first: Host
) -> None:
    name = next(iter(site.hosts))
    old = serving(site, name)
    file = change({"livekit": {"turn": {"enabled": False}, "ice_over_tcp": False}})

    async def under_calls() -> tuple[list[Report], Report, Report]:
        async with Call(control, path="udp") as quiet, contextlib.AsyncExitStack() as up:
            calls = [await up.enter_async_context(await pinned(access, old.node, name, way)) for way in WAYS]
            done = await asyncio.to_thread(deploy, file)
            assert done.status == 0, done.text
            async with Call(access, path="udp") as new:
                await asyncio.sleep(2)  # the call's own length
                said = await new.stop()
            return [await call.stop() for call in calls], said, await quiet.stop()

    reports, new, quiet = asyncio.run(under_calls())
    for report in reports:
        unnoticed(report, quiet)
    assert new.ok, new.table()
    assert not [url for url in told(access).urls if url.startswith("turn")]
    ended(name, old.unit)
    now = serving(inventory.read(file), name)
    listening = first.check_output("ss -Hlntup | grep '\"livekit-server\"'")
    for port in (*range(7881, 7884), *range(3478, 3481), *range(5349, 5352)):
        assert f":{port} " not in listening, f"{port} of {now.unit}"
