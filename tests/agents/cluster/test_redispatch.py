"""A host with workers loses its power, and `agents.redispatch` is on: who talked to its agents gets others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.site.model import Site
from tests.agents.cluster.test_host_dies import agents, rooms
from tests.agents.conftest import STILL, Talk, Talking, deployed
from tests.agents.test_around import measured
from tests.support.calls import slots, workers
from tests.support.hosts.deploys import unchanging, variant
from tests.support.hosts.lab import over_ssh
from tests.support.power import Power

_TRIES = 12  # conversations, until a worker of the host that dies has one
_ANOTHER = 120.0  # s until LiveKit has missed an agent and another one is there, at most


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The site with redispatch; as it was in the end."""
    deployed(variant(tmp_path_factory.mktemp("again"), {"agents": {"redispatch": True}}))
    yield
    deployed()
    deployed()  # slots that drained are empty then
    unchanging()


@pytest.mark.usefixtures("again")
@pytest.mark.parametrize("fleet", [workers.ECHO, workers.NODE])
def test_who_talked_to_its_agent_gets_another_one_and_only_one(
    talking: Talking, access: Access, power: Power, site: Site, *, fleet: str
) -> None:
    first, *_, last = site.with_role("agents")
    node = slots.serving(site, first).node  # rooms are not on the host that dies: what is lost is the agent alone
    before = workers.watched(over_ssh(first), fleet)
    assert wait_until(lambda: registered(last, fleet), _ANOTHER, every=1), "it has had no power until lately"
    with ExitStack() as stack:
        for _ in range(_TRIES):
            talk = stack.enter_context(talking(fleet, room=asyncio.run(slots.room_on(access, node))))
            if talk.conversation.room in rooms(last, fleet):
                break
        others = {name: rooms(name, fleet) for name in site.with_role("agents") if name != last}
        room, gone = talk.conversation.room, talk.conversation.identity
        assert room in rooms(last, fleet), "no worker of the host took a job"
        lost = rooms(last, fleet)
        power("kill", last)
        assert wait_until(lambda: talk.conversation.identity != gone, _ANOTHER, every=0.5), "no other agent came"
        heard = talk.conversation.came_back
        assert wait_until(lambda: talk.conversation.came_back > heard + STILL, 30), "nothing comes back"
        assert wait_until(lambda: agents(access, room) == [talk.conversation.identity], 30), "one, where one was"
        now = [each for name in others for each in rooms(name, fleet)]
        assert sorted(now) == sorted([*(each for of in others.values() for each in of), *lost]), "each once, no others"
        assert wait_until(lambda: workers.watched(over_ssh(first), fleet)[1] - before[1] == len(lost), 20, every=0.5)
        assert workers.watched(over_ssh(first), fleet) == tuple(number + len(lost) for number in before)
        _talked(talk)
    power("start", last)


def _talked(talk: Talk) -> None:
    """For the log: how long nobody answered (pytest -rP)."""
    report, control = talk.stop()
    print(f"largest gap {report.largest_gap_ms:.0f} ms, the control's {control.largest_gap_ms:.0f} ms")


def registered(name: str, fleet: str) -> bool:
    host = over_ssh(name)
    slot = workers.serving(host, fleet)
    return measured(host, slot, "livekit_agents_registered", fleet) == 1
