"""A host out of service and back: its calls end by themselves, its new sessions reach the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from tests.faults.conftest import Change
from tests.support.calls.background_call import talking
from tests.support.calls.slots import draining, ended, serving
from tests.support.hosts.deploys import Deploy, Told, deploy, unchanging
from tests.support.hosts.lab import INVENTORY, Lab, over_ssh
from tests.support.power import Power

PLAN = "procedures/drain.py"


def drain(*words: str) -> Told:
    return Deploy(INVENTORY, *words, plan=PLAN).end()


@pytest.fixture
def second(lab: Lab) -> Iterator[str]:
    """The second host; it is back in service afterwards."""
    name = list(lab.site.hosts)[1]
    yield name
    drain("--limit", name, "--data", "back=yes")
    assert deploy().status == 0


async def _node(access: Access, name: str) -> str:
    """Where a new room lands whose people enter through a host; a whole call proves that they can talk."""
    async with Call(access, publish_through=name, subscribe_through=name) as call:
        node = (await call.where()).id
        report = await call.stop()
        assert report.ok, report.table()
        return node


def test_which_host_is_meant_must_be_said(lab: Lab) -> None:
    drain().refused("would empty", "--limit")


def test_a_host_is_emptied_and_comes_back(  # noqa: PLR0917 - fixtures
    access: Access, control: Access, lab: Lab, change: Change, power: Power, second: str
) -> None:
    old, host = serving(lab.site, second), over_ssh(second)
    with talking(access, control, old.node, second) as talk:
        told = drain("--limit", second, "--data", "why=new power supply")
        assert told.status == 0, told.text
        assert "2 participants in 1 rooms, until" in told.text
        assert draining(second) == [old.unit]
        for _ in range(3):
            assert asyncio.run(_node(access, second)) != old.node
        changed = change({"livekit": {"room": {"empty_timeout": 811}}})
        told = deploy(changed)
        assert told.status == 0, told.text
        assert "in maintenance since" in told.text
        assert "new power supply" in told.text
        assert draining(second) == [old.unit]
        talk.unnoticed()
    ended(second, old.unit)

    power("reboot", second)
    host.check_output("timeout 60 sh -c 'until systemctl is-active -q livekit-edge; do sleep 0.2; done'")
    assert host.run("pgrep -x livekit-server").stdout == "", "a reboot does not bring it back"
    told = Deploy(INVENTORY, "--data", "json=yes", plan="procedures/status.py").end()
    said = json.loads(told.text[told.text.index("{") : told.text.rindex("}") + 1])
    assert "new power supply" in json.dumps(said)

    told = Deploy(changed, "--limit", second, "--data", "back=yes", plan=PLAN).end()
    assert told.status == 0, told.text
    assert serving(lab.site, second).unit
    unchanging(changed)
