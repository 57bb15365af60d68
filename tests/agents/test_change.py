"""A conversation goes on, whatever of the agent changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from tests.agents.conftest import SENT, Change, Talking, deploy, deployed, served
from tests.support.calls import workers
from tests.support.hosts.deploys import Deploy, unchanging

ROLLBACK = "procedures/rollback.py"


def test_the_agent_answers_and_a_second_deploy_changes_nothing(talking: Talking) -> None:
    with talking() as talk:
        unchanging()
        served(talk, talking)
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
        deployed(inventory)
        site = f"$(readlink /proc/{workers.pid(first, workers.serving(first))}/cwd)/../site"
        assert first.check_output(f"find {site}/livekit -name '*.py' -links 1") == "", "packages were not sent again"
        one = workers.serving(first)
        assert one != zero
        assert workers.slots(first, "deactivating") == [zero]
        assert workers.rooms(first, zero) == [oldest.conversation.room], "it goes on where it was"
        with talking() as middle:
            served(middle, talking)
            assert workers.rooms(first, one) == [middle.conversation.room], "the new one takes what is new"
            told = Deploy(inventory, "--data", "role=agents-echo", "--data", "why=proof", plan=ROLLBACK).end(
                within=SENT
            )
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
