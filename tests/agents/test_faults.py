"""What goes wrong with a worker that serves: none of it costs a conversation that is not on the faulty process."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from testinfra.host import Host

from lab.run import wait_until
from tests.agents.conftest import SENT, Change, Talking, deployed, served
from tests.agents.test_around import measured
from tests.support.calls import workers
from tests.support.hosts.deploys import STEP, Deploy

DEAF = """
import signal
server.on("worker_started", lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
"""
_GHOST = 60.0  # s until a room is told of an agent that is gone, at most


@pytest.mark.usefixtures("back")
def test_a_worker_that_ignores_sigterm_takes_no_new_job_and_ends_with_its_last_one(
    talking: Talking, change: Change, first: Host, code: Path
) -> None:
    agent = code / "agent.py"
    agent.write_text(agent.read_text() + DEAF)
    deployed(change({"agents": {"echo": {"source": {"python": str(code)}}}}))
    deaf = workers.serving(first)
    with talking() as talk:
        deployed()
        assert workers.slots(first, "deactivating") == [deaf]
        with talking() as other:
            served(other, talking)
            assert workers.rooms(first, deaf) == [talk.conversation.room]
            other.unnoticed()
        talk.unnoticed()
    workers.ended(first, deaf)


@pytest.mark.usefixtures("back")
def test_of_two_changes_at_once_one_is_refused_and_the_other_arrives(
    talking: Talking, change: Change, first: Host, code: Path
) -> None:
    before = workers.serving(first)
    agent = code / "agent.py"
    agent.write_text(agent.read_text() + "\n# another one\n")
    inventory = change({"agents": {"echo": {"source": {"python": str(code)}}}})
    with talking() as talk:
        one = Deploy(inventory)
        assert one.until(lambda line: bool((found := STEP.search(line)) and "agents-echo" in found["step"]), SENT)
        Deploy().end(within=SENT).refused("another deploy is at work here")
        assert one.end(within=SENT).status == 0
        assert workers.serving(first) != before
        talk.unnoticed()


@pytest.mark.usefixtures("back")
@pytest.mark.parametrize("whole", [False, True], ids=["its job is killed", "its worker is killed"])
@pytest.mark.parametrize("fleet", [workers.ECHO, workers.NODE])
def test_a_lost_job_is_dispatched_anew(
    talking: Talking, change: Change, first: Host, fleet: str, *, whole: bool
) -> None:
    deployed(change({"agents": {"redispatch": True}}))
    slot = workers.serving(first, fleet)
    first.check_output("systemctl restart livekit-redispatch")  # it counts from 0, as a new worker does
    assert wait_until(lambda: first.run("curl -sf http://127.0.0.1:9650/metrics").rc == 0, 20, every=0.3)
    with talking(fleet) as talk:
        agent, asked = talk.conversation.identity, talk.conversation.room
        main = [workers.pid(first, slot, fleet)]
        (gone,) = main if whole else wait_until(lambda: workers.of_room(first, slot, asked, fleet), 20, every=0.5)
        first.check_output(f"kill -{signal.SIGKILL} {gone}")
        assert wait_until(lambda: _counted(first, slot, fleet)[1], SENT, every=0.5), "nobody has seen it"
        assert _counted(first, slot, fleet) == (1, 1), "by its worker, or by the watcher"
        back = wait_until(lambda: talk.conversation.identity != agent, _GHOST)
        assert back, "no other agent came"
        before = talk.conversation.came_back
        assert wait_until(lambda: talk.conversation.came_back > before + 1, _GHOST), "nothing comes back"
        assert workers.rooms(first, slot, fleet) == [talk.conversation.room], "one job, where one was"
        assert _counted(first, slot, fleet) == (1, 1), "by one of them"


@pytest.mark.usefixtures("back")
@pytest.mark.parametrize("fleet", [workers.ECHO, workers.NODE])
def test_a_job_whose_worker_stays_away_is_dispatched_again_when_there_is_one(
    talking: Talking, change: Change, first: Host, fleet: str
) -> None:
    deployed(change({"agents": {"redispatch": True}}))
    slot = workers.serving(first, fleet)
    unit = f"livekit-agents-{fleet}@{slot}"
    with talking(fleet) as talk:
        agent, (lost, sent) = talk.conversation.identity, workers.watched(first, fleet)
        first.check_output(f"systemctl kill -s KILL {unit}; systemctl stop {unit}")  # with what it had written down
        assert wait_until(lambda: workers.watched(first, fleet)[0] == lost + 1, _GHOST, every=0.5), "nobody has seen it"
        first.check_output(f"systemctl reset-failed {unit}; systemctl start {unit}")
        assert wait_until(lambda: talk.conversation.identity != agent, 2 * _GHOST), "no other agent came"
        before = talk.conversation.came_back
        assert wait_until(lambda: talk.conversation.came_back > before + 1, _GHOST), "nothing comes back"
        assert workers.rooms(first, slot, fleet) == [talk.conversation.room], "one job, where one was"
        assert wait_until(lambda: workers.watched(first, fleet)[1] > sent, 20, every=0.5), "a job is seen by then"
        assert workers.watched(first, fleet) == (lost + 1, sent + 1)
        assert measured(first, slot, "livekit_agents_jobs_lost_total", fleet) == 0, "the new one knows of none"


def _counted(host: Host, slot: str, fleet: str) -> tuple[int, int]:
    """Jobs that were lost, and dispatched again, by whoever has counted them."""
    lost, sent = workers.watched(host, fleet)
    names = ("livekit_agents_jobs_lost_total", "livekit_agents_jobs_redispatched_total")
    of_worker, again = (int(measured(host, slot, name, fleet)) for name in names)
    return lost + of_worker, sent + again
