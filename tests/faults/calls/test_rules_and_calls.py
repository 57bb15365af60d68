"""Firewall rules that let the operator in and no call through: the old ones come back at once, and calls with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.hosts.deploys import deploy, unchanging

WRAPPER = "/usr/local/sbin/nft"
# With new rules comes one more that stops media on its way out (a shut port alone does not: the server sends first).
MUTE = """#!/bin/sh
/usr/sbin/nft "$@" || exit
case "$1 $2" in "-f "*main.nft.new) printf 'add chain inet livekit_metal mute {{ type filter hook output priority 0; }}
add rule inet livekit_metal mute meta skuid livekit udp sport {udp} drop
add rule inet livekit_metal mute meta skuid livekit tcp sport {tcp} drop' | /usr/sbin/nft -f - ;; esac
"""


@pytest.fixture
def mute(first: Host, site: Site) -> Iterator[Callable[[], None]]:
    """Has ``nft`` on the first host do so, until the function is called."""
    ports = {"udp": site.livekit.media_udp, "tcp": site.livekit.ice_tcp}
    first.check_output("printf %s > " + f"{WRAPPER}; chmod 755 {WRAPPER}", MUTE.format(**ports))
    yield lambda: first.check_output(f"rm -f {WRAPPER}")
    first.check_output(f"rm -f {WRAPPER}")


def _heard(access: Access) -> None:
    async def call() -> None:
        async with Call(access) as running:
            await asyncio.sleep(1)  # the call's own length
            report = await running.stop()
        assert report.ok, report.table()

    asyncio.run(call())


def test_rules_that_no_call_gets_through_are_taken_back(
    access: Access, change: Change, first: Host, site: Site, mute: Callable[[], None]
) -> None:
    before = first.check_output("nft -s list table inet livekit_metal")
    wider = change({"firewall": {"admin": [*site.firewall.admin, "198.51.100.9/32"]}})
    deploy(wider).refused("no call gets through the new rules", "the old ones are back, and a call gets through")
    assert first.check_output("nft -s list table inet livekit_metal") == before
    _heard(access)
    mute()
    unchanging()
    assert deploy(wider).status == 0, "the next one is none the worse for it"
    assert "198.51.100.9" in first.check_output("nft list table inet livekit_metal")
    assert deploy().status == 0
    unchanging()
