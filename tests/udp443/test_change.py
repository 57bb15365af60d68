"""Calls over TURN on UDP 443 while livekit-server is changed and rolled back; new ones land on the new slot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.report import Report
from livekit_metal.roles.livekit.redirect import Redirect
from tests.support.calls.background_call import unnoticed
from tests.support.calls.slots import Slot, ended
from tests.support.hosts.deploys import deploy
from tests.udp443.conftest import FIRST, Ground

ROLLBACK = "procedures/rollback.py"
CALLERS = 2  # of a call: who publishes and who listens; each has one connection for media, or one for each direction
MODES: tuple[Mapping[str, Any], ...] = ({}, {"firewall": {"mode": "none"}})


async def short(ground: Ground) -> Report:
    """A call of a second."""
    async with await ground.call() as call:
        await asyncio.sleep(1)
        return await call.stop()


def tracked(ground: Ground) -> int:
    """Connections that the host tracks."""
    return int(ground.host.check_output("cat /proc/sys/net/netfilter/nf_conntrack_count"))


async def lands_on(ground: Ground, slot: Slot) -> None:
    """A new call is on the slot and its relays are; so are relays of new clients, by IPv4 and by IPv6."""
    assert (await short(ground)).node == slot.node
    assert ground.clients(slot.unit) >= CALLERS
    relays = ground.site.livekit.part("turn-relay", slot.unit.partition("@")[2].removesuffix(".service"))
    for version in (4, 6):
        _, port = await ground.relay(version)
        assert relays.first <= port <= relays.last, f"IPv{version}: a relay of another slot"


@pytest.mark.parametrize("mode", MODES, ids=["filtered", "mode none"])
def test_calls_go_through_a_change_and_a_rollback_and_new_ones_land_on_the_new_slot(
    ground: Ground, control: Access, mode: Mapping[str, Any]
) -> None:
    ground.deploy(mode)
    if mode:  # with rules of ours the edge's connections are tracked
        before = tracked(ground)
        assert asyncio.run(short(ground)).ok
        assert tracked(ground) <= before, "nothing of ours has the host track connections"

    async def under_calls() -> tuple[Report, Report, list[str]]:
        async with Call(control, path="udp") as quiet, await ground.call() as call:
            first = ground.serving
            assert ground.clients(first.unit) >= CALLERS, "the call is with the first slot, by 443"
            stay = [await ground.relay(version) for version in (4, 6)]
            await asyncio.to_thread(ground.deploy, mode)
            second = ground.serving
            assert second.unit != first.unit
            assert [client.refresh() for client, _ in stay] == [0, 0], "by the same port, earlier relays go on"
            await lands_on(ground, second)
            back = await asyncio.to_thread(deploy, ground.inventory, plan=ROLLBACK)
            assert back.status == 0, back.text
            third = ground.serving
            assert third.unit not in (first.unit, second.unit)
            await lands_on(ground, third)
            assert [client.refresh() for client, _ in stay] == [0, 0]
            assert ground.clients(first.unit) >= CALLERS, "the earlier ones are where they were"
            return await call.stop(), await quiet.stop(), [first.unit, second.unit]

    report, control_report, left = asyncio.run(under_calls())
    unnoticed(report, control_report)
    for unit in left:
        ended(FIRST, unit)


def test_turned_off_under_a_call_it_stays_until_the_call_has_ended(ground: Ground, control: Access) -> None:
    off = {"livekit": {"turn": {"udp_443": False}}}

    async def under_a_call() -> tuple[Report, Report, str]:
        async with Call(control, path="udp") as quiet, await ground.call() as call:
            first = ground.serving
            await asyncio.to_thread(ground.deploy, off)
            assert ground.serving.unit != first.unit
            told = await asyncio.to_thread(deploy, ground.inventory)
            assert told.status == 0, told.text
            assert "UDP 443 stays TURN's" in told.text
            return await call.stop(), await quiet.stop(), first.unit

    report, control_report, unit = asyncio.run(under_a_call())
    unnoticed(report, control_report)
    ended(FIRST, unit)
    assert deploy(ground.inventory).status == 0
    assert ground.host.run(f"nft list table inet {Redirect.table}").rc != 0
    assert not ground.host.file("/etc/systemd/system/livekit-udp-443.service").exists
    again = deploy(ground.inventory)
    assert again.status == 0
    assert "UDP 443" not in again.text
