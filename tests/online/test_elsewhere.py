"""A change of a host that carries no media of a call, only its signalling: its clients entered there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livekit_metal.call.access import Access
from tests.support.calls.agents import Worker
from tests.support.calls.background_call import talking
from tests.support.calls.slots import ended, serving
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import Lab, lab, over_ssh
from tests.support.hosts.status import until

SERVING = lab().site.with_role("livekit")

pytestmark = pytest.mark.skipif(len(SERVING) < 2, reason="needs two hosts with livekit-server")


def state(host: str, unit: str) -> str:
    said: str = over_ssh(host).run(f"systemctl is-active {unit}").stdout.strip()
    return said


def test_signalling_goes_on_and_its_slot_ends_after_the_call(
    access: Access, control: Access, lab: Lab, tmp_path: Path
) -> None:
    home, entry = SERVING[0], SERVING[-1]
    room, entered = serving(lab.site, home), serving(lab.site, entry)
    slot = entered.unit.partition("@")[2].removesuffix(".service")

    async def changed() -> bool:
        async with Worker(access, entry) as worker:
            await asyncio.to_thread(under_a_call)
            return await worker.stop()

    def under_a_call() -> None:
        with talking(access, control, room.node, entry) as talk:
            told = deploy(variant(tmp_path, {"livekit": {"room": {"empty_timeout": 302}}}))
            assert told.status == 0, told.text
            assert state(home, room.unit) == "deactivating", "the call holds the slot that it is on"
            assert state(entry, entered.unit) == "deactivating", "and the one that passes its signalling on"
            drains = until(entry, slot, lambda said: said["rooms"] == 0)
            assert (drains["state"], drains["websockets"]) == ("draining", 3), "two clients and the agent"
            talk.unnoticed()
        for host, old in ((home, room), (entry, entered)):
            ended(host, old.unit)

    assert asyncio.run(changed()), "the agent, which would stay for ever, is cut when the slot ends"
