"""A host with workers loses its power: conversations with the other hosts' agents go on."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.call.server import room_service
from livekit_metal.site.model import Site
from tests.agents.conftest import Talk, Talking, deployed, served
from tests.support.calls import slots, workers
from tests.support.hosts.deploys import unchanging
from tests.support.hosts.lab import over_ssh
from tests.support.power import Power

from livekit.protocol.models import ParticipantInfo  # isort: skip
from livekit.protocol.room import ListParticipantsRequest  # isort: skip

_TRIES = 12  # conversations, until a worker of each of two hosts has one
_MISSED = 60.0  # s until a room is told that an agent is gone, at most


def agents(access: Access, room: str) -> list[str]:
    """Who of the participants of a room is an agent, as LiveKit has it."""

    async def ask() -> list[str]:
        async with room_service(access) as rooms:
            said = await rooms.list_participants(ListParticipantsRequest(room=room))
            return [each.identity for each in said.participants if each.kind == ParticipantInfo.Kind.AGENT]

    return asyncio.run(ask())


@pytest.mark.parametrize("fleet", [workers.ECHO, workers.NODE])
def test_only_its_own_conversations_end(
    talking: Talking, access: Access, power: Power, site: Site, *, fleet: str
) -> None:
    first, *_, last = site.with_role("agents")
    node = slots.serving(site, first).node  # rooms are not on the host that dies: what is lost is the agent alone
    with ExitStack() as stack:
        on: dict[str, Talk] = {}
        for _ in range(_TRIES):
            room = asyncio.run(slots.room_on(access, node))
            talk = stack.enter_context(talking(fleet, room=room))
            host = next(name for name in (first, last, *site.hosts) if room in rooms(name, fleet))
            on.setdefault(host, talk)
            if last in on and len(on) > 1:
                break
        lost, other = on.pop(last), next(iter(on.values()))
        power("kill", last)
        assert wait_until(lambda: not agents(access, lost.conversation.room), _MISSED, every=1), "it is still shown"
        with talking(fleet, room=asyncio.run(slots.room_on(access, node))) as newcomer:
            served(newcomer, talking, fleet)
            newcomer.unnoticed()
        other.unnoticed()
    power("start", last)
    deployed()
    unchanging()
    assert workers.serving(over_ssh(last), fleet)


def rooms(name: str, fleet: str) -> list[str]:
    host = over_ssh(name)
    return workers.rooms(host, workers.serving(host, fleet), fleet)
