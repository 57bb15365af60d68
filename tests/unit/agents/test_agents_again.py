"""Lost jobs are counted, and dispatched again where somebody waits for an agent and none is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.run import wait_until
from livekit_metal.roles.agents.on_host import again
from livekit_metal.roles.agents.on_host import lkm_rooms as rooms
from livekit_metal.roles.agents.on_host.again import Again
from livekit_metal.roles.agents.on_host.lkm_rooms import MOST
from tests.support.twirp import Twirp, twirp

SECRET = "s" * 32
JOB = {"id": "AJ_1", "room": "r", "sid": "RM_1", "type": 0}
JOB |= {"dispatch": "AD_1", "metadata": "m", "identity": "agent-AJ_1"}
CALLER = {"identity": "caller", "kind": "STANDARD"}
GHOST = {"identity": "agent-AJ_1", "kind": "AGENT", "attributes": {"lk.agent.name": "echo"}}
OTHER = GHOST | {"identity": "agent-AJ_2"}
ANEW = ("AgentDispatchService/CreateDispatch", {"room": "r", "agent_name": "echo", "metadata": "m"})
OLD = ("AgentDispatchService/DeleteDispatch", {"room": "r", "dispatch_id": "AD_1"})
OUT = ("RoomService/RemoveParticipant", {"room": "r", "identity": "agent-AJ_1"})


@pytest.fixture
def livekit() -> Iterator[Twirp]:
    with twirp([CALLER, GHOST]) as made:
        yield made


def worker(livekit: Twirp, directory: Path | None = None, **changes: Any) -> Again:
    config = {"ws_url": livekit.url, "api_key": "k", "api_secret": SECRET, "agent_name": "echo", "deployment": ""}
    return Again(config | {"redispatch": True} | changes, str(directory) if directory else None)


def lose(one: Again, **changes: Any) -> None:
    one.began(JOB | changes)
    one.ended(JOB | changes, lost=True)


def test_a_job_that_crashed_is_dispatched_anew_and_its_ghost_leaves(livekit: Twirp) -> None:
    one = worker(livekit)
    lose(one)
    assert wait_until(lambda: one.dispatched, 10)
    assert livekit.wanted == [OLD, OUT, ANEW]
    assert one.lost == 1


def test_a_job_that_ended_in_good_order_is_not_lost(livekit: Twirp) -> None:
    one = worker(livekit)
    one.began(JOB)
    one.ended(JOB, lost=False)
    assert (one.lost, livekit.asked) == (0, 0)


@pytest.mark.parametrize(
    "people",
    [[], [GHOST], [CALLER, OTHER], [{"identity": "x", "kind": "EGRESS"}]],
    ids=["empty", "ghost", "agent", "egress"],
)
def test_nobody_is_sent_where_nobody_waits_or_somebody_is(livekit: Twirp, people: list[dict[str, Any]]) -> None:
    livekit.people = people
    one = worker(livekit)
    lose(one)
    assert wait_until(lambda: livekit.asked, 10)
    lose(one, id="AJ_9", room="q")  # asked after the first one
    assert wait_until(lambda: livekit.asked == 2, 10)
    assert (livekit.wanted[:1], one.dispatched, one.lost) == ([OLD], 0, 2)
    assert ANEW not in livekit.wanted


def test_an_agent_of_another_fleet_is_not_taken_for_it(livekit: Twirp) -> None:
    livekit.people = [CALLER, OTHER | {"attributes": {"lk.agent.name": "notes"}}]
    one = worker(livekit)
    lose(one)
    assert wait_until(lambda: one.dispatched, 10)
    assert livekit.wanted == [OLD, ANEW]


@pytest.mark.parametrize("changes", [{"redispatch": False}, {"deployment": "proof-x"}])
def test_who_was_not_told_to_does_nothing(livekit: Twirp, changes: dict[str, Any]) -> None:
    one = worker(livekit, **changes)
    lose(one)
    lose(worker(livekit), id="AJ_9")  # one that does: it would have asked after the first
    assert wait_until(lambda: livekit.asked, 10)
    assert (livekit.asked, one.lost, one.dispatched) == (1, 1, 0)


def test_a_job_of_one_participant_is_not_repeated_for_all(livekit: Twirp) -> None:
    one = worker(livekit)
    lose(one, type=2)
    lose(one, id="AJ_9")
    assert wait_until(lambda: one.dispatched, 10)
    assert livekit.asked == 1


def test_a_job_that_ends_every_worker_does_not_end_all_of_them(
    livekit: Twirp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1, MOST + 2):
        one = worker(livekit, tmp_path)  # each the successor of the last
        one.read()
        one.ready()
        assert wait_until(
            lambda number=number: len([w for w in livekit.wanted if w == ANEW]) == min(number - 1, MOST), 10
        )  # type: ignore[misc]
        one.began(JOB)
    assert livekit.wanted.count(ANEW) == MOST
    last = worker(livekit, tmp_path)
    last.read()
    last.ready()
    lose(last, id="AJ_9", room="q", sid="RM_2")
    assert wait_until(lambda: "over" in caplog.text, 10), "no such room"
    livekit.sid = "RM_2"
    lose(last, sid="RM_2")
    assert wait_until(lambda: last.dispatched, 10), "another room, though its name is the same"
    assert livekit.wanted.count(ANEW) == MOST + 1


def test_who_waits_in_the_next_room_of_a_name_waits_for_nobody_who_was_lost_before(
    livekit: Twirp, caplog: pytest.LogCaptureFixture
) -> None:
    livekit.sid = "RM_2"
    lose(worker(livekit))
    assert wait_until(lambda: "its room is over" in caplog.text, 10)
    assert livekit.wanted == [OLD]


def test_only_the_last_rooms_are_remembered(livekit: Twirp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "KEPT", 3)
    livekit.people = []
    one = worker(livekit, tmp_path)
    for number in range(5):
        livekit.sid = f"RM_{number}"
        lose(one, sid=livekit.sid)
        assert wait_until(lambda number=number: livekit.asked > number, 10)  # type: ignore[misc]
    assert set(json.loads((tmp_path / "jobs").read_text())["tried"]) == {"RM_2", "RM_3", "RM_4"}


def test_who_comes_second_does_nothing(livekit: Twirp, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    livekit.made_up = False  # the watcher has deleted it
    worker(livekit, tmp_path).began(JOB)
    one = worker(livekit, tmp_path)
    one.read()
    one.ready()
    assert wait_until(lambda: "somebody else has seen to it" in caplog.text, 10)
    assert (livekit.wanted, one.lost, one.dispatched) == ([], 0, 0)


def test_whose_room_is_over_is_counted_and_nobody_is_asked_on(
    livekit: Twirp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    livekit.over = True
    worker(livekit, tmp_path).began(JOB)
    one = worker(livekit, tmp_path)
    one.read()
    one.ready()
    assert wait_until(lambda: "its room is over" in caplog.text, 10)
    assert (one.lost, one.dispatched, livekit.wanted) == (1, 0, [])


def test_a_worker_that_was_killed_counts_once(livekit: Twirp, tmp_path: Path) -> None:
    worker(livekit, tmp_path).began(JOB)
    one = worker(livekit, tmp_path)
    one.read()
    assert one.lost == 0, "it is not known yet whose it is"
    one.ready()
    assert wait_until(lambda: one.dispatched, 10)
    assert one.lost == 1


def test_without_redispatch_a_killed_worker_counts_and_asks_nobody(livekit: Twirp, tmp_path: Path) -> None:
    worker(livekit, tmp_path).began(JOB)
    one = worker(livekit, tmp_path, redispatch=False)
    one.read()
    assert (one.lost, livekit.asked, livekit.wanted) == (1, 0, [])


def test_an_answer_that_got_lost_makes_no_second_dispatch(livekit: Twirp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "_EVERY", 0.01)
    livekit.deaf = 1
    one = worker(livekit)
    lose(one)
    assert wait_until(lambda: one.dispatched, 10)
    assert livekit.wanted.count(ANEW) == 1
    assert len(livekit.dispatches) == 1


def test_livekit_may_be_away_meanwhile(livekit: Twirp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "_EVERY", 0.01)
    one = worker(livekit, api_secret="x" * 32)
    lose(one)
    assert wait_until(lambda: livekit.refused > 2, 10)
    one._config["api_secret"] = SECRET
    assert wait_until(lambda: one.dispatched, 10)


def test_a_file_that_cannot_be_read_is_no_reason_not_to_start(livekit: Twirp, tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("{")
    one = worker(livekit, tmp_path)
    one.read()
    assert one.lost == 0
