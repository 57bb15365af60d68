"""A conversation goes on, whatever of the agent changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from tests.agents.conftest import Change, Talking
from tests.support.calls import workers
from tests.support.hosts.deploys import Deploy, deploy, unchanging

ROLLBACK = "procedures/rollback.py"
SERVED = 5.0  # s for an answer, from the dispatch


def test_the_agent_answers_and_a_second_deploy_changes_nothing(talking: Talking) -> None:
    with talking() as talk:
        unchanging()
        assert talk.conversation.answered < SERVED
        talk.unnoticed()


@pytest.mark.usefixtures("back")
def test_a_change_of_the_code_is_for_new_conversations_and_a_rollback_needs_no_drain_to_end(
    talking: Talking, change: Change, first: Host, code: Path
) -> None:
    zero = workers.serving(first)
    with talking() as oldest:
        agent = code / "agent.py"
        agent.write_text(agent.read_text() + "\n# another one\n")
        inventory = change({"agents": {"echo": {"source": {"python": str(code)}}}})
        told = deploy(inventory)
        assert told.status == 0, told.text
        site = f"$(readlink /proc/{workers.pid(first, workers.serving(first))}/cwd)/../site"
        assert first.check_output(f"find {site}/livekit -name '*.py' -links 1") == "", "packages were not sent again"
        one = workers.serving(first)
        assert one != zero
        assert workers.slots(first, "deactivating") == [zero]
        assert workers.rooms(first, zero) == [oldest.conversation.room], "it goes on where it was"
        with talking() as middle:
            assert middle.conversation.answered < SERVED
            assert workers.rooms(first, one) == [middle.conversation.room], "the new one takes what is new"
            told = Deploy(inventory, "--data", "role=agents-echo", "--data", "why=proof", plan=ROLLBACK).end()
            assert told.status == 0, told.text
            two = workers.serving(first)
            assert sorted(workers.slots(first, "deactivating")) == sorted([zero, one])
            with talking() as newest:
                assert workers.rooms(first, two) == [newest.conversation.room]
                newest.unnoticed()
            deploy(inventory).refused("generation", "was rolled back", "accept=")
            middle.unnoticed()
        oldest.unnoticed()
    for slot in (zero, one):
        workers.ended(first, slot)
