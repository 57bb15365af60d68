"""An agent that a rule names answers the phone, and still does after deploys and after changes by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from livekit.protocol import sip

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.call.server import server_api
from tests.sip.conftest import deployed, real
from tests.sip.phone import Phone
from tests.support.calls.agents import Agent, Job
from tests.support.hosts.deploys import variant

NAME, TOLD = "reception", '{"lang": "de"}'
COMES = 30.0  # s for an agent to be in the room of a call

pytestmark = pytest.mark.skipif(
    not real(), reason="the stand-in makes no rooms: run it with livekit-sip itself (make test-media ARTIFACTS=DIR)"
)


@pytest.fixture(scope="module")
def site_with_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site, whose calls each get a room of their own and an agent in it."""
    rule = {"room": "", "room_prefix": "desk-", "agents": [{"name": NAME, "metadata": TOLD}]}
    made = variant(tmp_path_factory.mktemp("agents"), {"sip": {"rules": {"hotline": rule}}})
    told = deployed(made)
    assert told.status == 0, told.text
    yield made
    told = deployed()
    assert told.status == 0, told.text


async def rule(access: Access) -> sip.SIPDispatchRuleInfo:
    async with server_api(access) as api:
        rules = (await api.sip.list_dispatch_rule(sip.ListSIPDispatchRuleRequest())).items
    (found,) = (each for each in rules if each.name == "hotline")
    return found


async def krisp_by_hand(access: Access) -> None:
    """What an application does to a field that the inventory says nothing of."""
    changed = await rule(access)
    changed.krisp_enabled = True
    async with server_api(access) as api:
        await api.sip.update_dispatch_rule(changed.sip_dispatch_rule_id, changed)


async def answered(access: Access, phone: Phone) -> Job:
    """A call that is answered because the agent came and sounded: there is nobody else."""
    async with Agent(access, NAME) as agent:
        try:
            await phone.answered()
            assert await asyncio.to_thread(wait_until, lambda: agent.jobs, COMES), "no agent was sent for"
            (job,) = agent.jobs
        finally:
            phone.drop()
    return job


def test_an_agent_answers_after_a_deploy_and_after_a_change_by_hand_too(
    site_with_agent: Path, access: Access, phone: Callable[..., Phone]
) -> None:
    rooms = set()

    def call() -> None:
        job = asyncio.run(answered(access, phone()))
        assert (job.room.startswith("desk-"), job.metadata) == (True, TOLD), job
        rooms.add(job.room)

    call()
    told = deployed(site_with_agent)
    assert (told.status, "rule hotline: change" in told.text) == (0, False), told.text
    call()
    asyncio.run(krisp_by_hand(access))
    call()
    told = deployed(site_with_agent)
    assert told.status == 0, told.text
    assert asyncio.run(rule(access)).krisp_enabled, "what the inventory does not say stays"
    call()
    assert len(rooms) == 4, "each call has a room of its own"


def test_without_the_agent_nobody_answers(site_with_agent: Path, phone: Callable[..., Phone]) -> None:
    """It is the agent that the tests above hear from."""
    alone = phone(within=5)
    try:
        assert asyncio.run(alone.over()) != 0
        assert "answered" not in alone.heard()
    finally:
        alone.drop()
