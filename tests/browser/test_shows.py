"""What happens to recordings of rooms and web pages when something happens to egress, or to their browser."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.call.access import Access
from tests.support.calls.recorder import HOST, ended, kept, serving, settings, state, unit
from tests.support.hosts.deploys import Deploy, Told, variant
from tests.support.hosts.lab import INVENTORY, ROOT, lab, over_ssh
from tests.support.shows.shows import STARTS, Page, Show, browsers, shows, signed

LENGTH = 6.0  # s, of what is recorded before something happens
LATE = 3.0  # s that a file may lack: its first pictures wait for their sound
BOUND, DEPLOYED = 300, 600  # s; a browser is tried out at each start of a slot


@pytest.fixture(scope="module", autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    assert deployed(INVENTORY).status == 0


def deployed(inventory: str | Path) -> Told:
    return Deploy(inventory).end(within=DEPLOYED)


async def whole(made: dict[str, Show], least: float) -> None:
    """Assert that all are over, LiveKit calls them complete, and their files are right."""
    for one in made.values():
        await one.over()
        await one.complete()
        one.right(least)


def test_rooms_pages_and_sound_become_files(access: Access, page: Page) -> None:
    async def scenario() -> None:
        async with shows(access, page) as made:
            assert len(browsers()) == len(made), "each has a browser of its own"
            await asyncio.sleep(LENGTH)
            for one in made.values():
                await one.stop()
            await whole(made, LENGTH - LATE)
        assert not browsers(), "no browser outlives its recording"

    asyncio.run(scenario())


def test_a_browser_has_its_sandbox_and_nobody_else_gets_at_its_display(access: Access, page: Page) -> None:
    """Its pages run in namespaces of their own, under a filter of system calls, and not as a child of the unit's."""
    host = over_ssh(HOST)

    async def scenario() -> None:
        async with shows(access, page) as made:
            # some end while they are looked at
            each = "for p in $(pgrep -u livekit-egress -f -- --type=renderer); do {} 2>/dev/null; done; :"
            for name in ("user", "pid", "net"):
                outside = host.check_output(f"readlink /proc/{browsers()[0]}/ns/{name}")
                inside = host.check_output(each.format(f"readlink /proc/$p/ns/{name}")).split()
                assert inside, "no page is there"
                assert outside not in inside, f"pages share the {name} namespace of the unit"
            modes = host.check_output(each.format("grep -h Seccomp: /proc/$p/status")).split()
            assert set(modes) == {"Seccomp:", "2"}, "each is under a filter"
            assert "@/tmp/.X11-unix" not in host.check_output("ss -Hxl"), "an abstract socket is everybody's"
            for one in made.values():
                await one.stop()

    asyncio.run(scenario())


def test_they_go_on_through_a_change_of_egress(access: Access, page: Page, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shows(access, page) as made:
            began, old = time.monotonic(), serving()
            told = await asyncio.to_thread(deployed, variant(tmp_path, {"egress": {"log_level": "debug"}}))
            assert told.status == 0, told.text
            assert f"slot {old} drains: {len(made)} recordings" in told.text
            assert serving() != old
            assert state(old) == "deactivating", "the recordings hold their slot"
            lasted = time.monotonic() - began
            for one in made.values():
                await one.stop()
            await whole(made, lasted - LATE)
        ended(old)

    asyncio.run(scenario())


def test_when_its_browser_is_killed_a_recording_ends_in_good_order(access: Access, page: Page) -> None:
    """egress by itself would record a screen that stands still, until somebody stops it."""
    host = over_ssh(HOST)

    async def scenario() -> None:
        async with shows(access, page) as made:
            slot = serving()
            await asyncio.sleep(LENGTH)
            host.check_output(f"kill -KILL {' '.join(map(str, browsers()))}")
            await whole(made, LENGTH - LATE)
        assert state(slot) == "active"
        said = host.check_output(f"journalctl -u {unit(slot)} -p err -o cat --no-pager")
        assert "the browser of a recording has died" in said
        async with shows(access, page) as made:
            for one in made.values():
                await one.stop()

    asyncio.run(scenario())


@pytest.mark.long
def test_the_sites_own_page_reaches_livekit(access: Access, tmp_path: Path) -> None:
    """It comes over TLS from a CA of the site's own, and the room is on the host's loopback."""
    edge, gateway = lab().site.edge.http.first, lab().facts["gateway"]
    ca, pem = signed(tmp_path, gateway)

    async def asked(page: Page) -> list[str]:
        async with shows(access, page, ["page"]) as made:
            end = time.monotonic() + STARTS
            while not page.told:
                assert time.monotonic() < end, "it was not shown"
                await asyncio.sleep(0.2)
            await made["page"].stop()
        return page.told

    with Page(gateway, asks=edge, pem=pem) as own:
        told = deployed(variant(tmp_path, {"trust": str(ca), "egress": {"page": own.url}}))
        assert told.status == 0, told.text
        try:
            assert asyncio.run(asked(own)) == ["reached"]
        finally:
            told = deployed(INVENTORY)
        assert told.status == 0, told.text


@pytest.mark.long
def test_at_the_deadline_of_a_drain_they_are_ended_in_good_order(access: Access, page: Page, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shows(access, page) as made:
            old = serving()
            changes: dict[str, Any] = {"extra": {"io_workers": 6}, "drain": {"deadline": "10s", "finalise": "120s"}}
            told = await asyncio.to_thread(deployed, variant(tmp_path, {"egress": changes}))
            assert told.status == 0, told.text
            await whole(made, 10 - LATE)
        ended(old)

    asyncio.run(scenario())


@pytest.mark.long
def test_a_reboot_ends_them_in_good_order(access: Access, page: Page) -> None:
    reboot = [sys.executable, "-m", "lab", "reboot", HOST]

    async def scenario() -> None:
        async with shows(access, page) as made:
            slot = serving()
            await asyncio.sleep(LENGTH)
            await asyncio.to_thread(subprocess.run, reboot, cwd=ROOT, check=True, timeout=BOUND)
            for one in made.values():
                await one.over()
                one.right(LENGTH - LATE)
        over_ssh(HOST).check_output(
            f"timeout {BOUND} sh -c 'until systemctl -q is-active {unit(slot)}; do sleep 1; done'"
        )
        assert not kept("cut-short")
        port = settings().part("health", slot).first
        over_ssh(HOST).check_output(
            f"timeout {BOUND} sh -c 'until curl -sfo /dev/null 127.0.0.1:{port}; do sleep 1; done'"
        )
        await whole(made, LENGTH - LATE)  # LiveKit knows

    asyncio.run(scenario())
