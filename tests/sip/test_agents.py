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
COMES = 60.0  # s for an agent to be in the room of a call, and for the answer

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


def test_an_agent_answers_after_a_deploy_and_after_a_change_by_hand_too(
    site_with_agent: Path, access: Access, phone: Callable[..., Phone]
) -> None:
    async def deployed_again() -> None:
        told = await asyncio.to_thread(deployed, site_with_agent)
        assert (told.status, "sip: rule hotline: change" in told.text) == (0, False), told.text

    async def scenario() -> list[Job]:
        async with Agent(access, NAME) as agent:

            async def call() -> None:
                """It is answered because the agent came and sounded: there is nobody else."""
                before, one = len(agent.jobs), phone(within=COMES)
                try:
                    await one.answered()
                    came = await asyncio.to_thread(wait_until, lambda: len(agent.jobs) > before, COMES)
                    assert came, "no agent was sent for"
                finally:
                    one.drop()

            await call()
            await deployed_again()
            await call()
            await krisp_by_hand(access)
            await call()
            await deployed_again()
            assert (await rule(access)).krisp_enabled, "what the inventory does not say stays"
            await call()
            return agent.jobs

    jobs = asyncio.run(scenario())
    assert [job.metadata for job in jobs] == [TOLD] * 4
    assert all(job.room.startswith("desk-") for job in jobs)
    assert len({job.room for job in jobs}) == 4, "each call has a room of its own"


def test_without_the_agent_nobody_answers(site_with_agent: Path, phone: Callable[..., Phone]) -> None:
    """It is the agent that the tests above hear from."""
    alone = phone(within=5)
    try:
        assert asyncio.run(alone.over()) != 0
        assert "answered" not in alone.heard()
    finally:
        alone.drop()
