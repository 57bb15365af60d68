"""Another release under a call, and a reboot under a call, on a real kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.report import Report
from tests.faults.conftest import Change
from tests.support.calls.background_call import Talk, talking
from tests.support.calls.slots import ended, serving
from tests.support.hosts.deploys import Deploy, unchanging
from tests.vm.conftest import Machine

BEFORE = "1.13.4"  # a release that can be built from its module too
BOUND = 120  # s for a host to go down: the unit's own TimeoutStopSec is 90, the deadline of the drain is hours
_LONGEST = 600  # s for a deploy on an emulated processor


async def short_call(access: Access) -> Report:
    async with Call(access) as call:
        await asyncio.sleep(3)  # the call's own length
        return await call.stop()


def test_another_release_under_a_call_and_back(
    access: Access, vm: Machine, talk: Talk, undisturbed: Callable[[], None], change: Change
) -> None:
    old = serving(vm.site, vm.name)
    told = Deploy(change({"livekit": {"release": BEFORE}})).end(within=_LONGEST)
    assert told.status == 0, told.text
    assert talk.where() == old.node
    assert asyncio.run(short_call(access)).version == BEFORE
    undisturbed()
    ended(vm.name, old.unit)
    told = Deploy().end(within=_LONGEST)
    assert told.status == 0, told.text
    assert asyncio.run(short_call(access)).version == vm.site.livekit.release
    unchanging()


def test_a_reboot_does_not_wait_for_a_drain(access: Access, control: Access, vm: Machine, change: Change) -> None:
    """How long the host took to go down is read from its journal: a boot of an emulated machine takes its time."""
    old = serving(vm.site, vm.name)
    with talking(access, control, old.node, vm.name):
        told = Deploy(change({"livekit": {"log_level": "debug"}})).end(within=_LONGEST)
        assert told.status == 0, told.text
        assert "deactivating" in vm.host.check_output("systemctl show -p ActiveState %s", old.unit), "the call is on it"
        began = float(vm.host.check_output("date +%s"))
        vm.power("reboot")  # how the call fared is not asked: its server was killed
    last = vm.host.check_output("journalctl -q --no-pager -b -1 -n 1 -o short-iso").split()[0]
    assert datetime.fromisoformat(last).timestamp() - began < BOUND
    vm.serves()
    told = Deploy().end(within=_LONGEST)
    assert told.status == 0, told.text
    assert asyncio.run(short_call(access)).ok
    unchanging()
