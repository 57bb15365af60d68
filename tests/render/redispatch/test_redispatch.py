"""Agents that left without a word: counted once, and another one where somebody waits."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from lab.run import wait_until
from livekit_metal.roles.redispatch import tasks
from livekit_metal.roles.redispatch.settings import UNIT, Settings
from tests.render.conftest import Verify
from tests.render.redispatch.conftest import ANEW, CALLER, KEY, LOST, OTHER, SECRET, Place
from tests.support import webhooks


def test_its_unit_is_sound_and_tight(own: Settings, verify_unit: Verify) -> None:
    (unit,) = (file for file in tasks.service(own).files if file.path.endswith(UNIT))
    assert verify_unit(UNIT, unit.text) <= 2.0


def test_no_secret_is_where_others_read(own: Settings) -> None:
    secrets = [each.reveal() for each in (*own.api_keys.values(), *own.signers.values())]
    for file in tasks.service(own).files:
        if any(secret in file.text for secret in secrets):
            assert (file.mode, file.secret) == ("600", True), file.path


def test_an_agent_that_left_without_a_word_is_counted_and_another_one_is_sent(watch: Place) -> None:
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    assert [method for method, _ in watch.livekit.wanted] == [
        "AgentDispatchService/DeleteDispatch",
        "AgentDispatchService/CreateDispatch",
    ]
    assert watch.livekit.wanted[-1] == ANEW
    assert watch.lost == 1
    lines = [json.loads(line) for line in watch.log.splitlines()]
    assert {"level": "error", "room": "r", "fleet": "echo"}.items() <= next(
        x for x in lines if "lost" in x["msg"]
    ).items()


@pytest.mark.parametrize(
    ("event", "more"),
    [
        *(("participant_left", {"disconnectReason": each}) for each in ("CLIENT_INITIATED", "PARTICIPANT_REMOVED")),
        *(
            ("participant_left", {"disconnectReason": each})
            for each in ("DUPLICATE_IDENTITY", "ROOM_CLOSED", "MIGRATION")
        ),
        ("participant_left", {"disconnectReason": None}),
        ("participant_left", {"kind": "STANDARD"}),
        ("participant_joined", {}),
        ("track_published", {}),
    ],
)
def test_who_said_goodbye_or_is_no_agent_is_not_lost(watch: Place, event: str, more: dict[str, Any]) -> None:
    watch.tell(webhooks.event(event, **more))
    watch.livekit.dispatch("echo", "agent-AJ_7", metadata="m")
    watch.tell(webhooks.event(identity="agent-AJ_7"))  # one that is: it is seen to after the first
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    assert watch.lost == 1
    assert [said["dispatch_id"] for method, said in watch.livekit.wanted if "Delete" in method] != ["AD_0_0"]


def test_an_agent_that_is_back_in_time_is_not_lost(watch: Place) -> None:
    watch.livekit.people = [CALLER, LOST]
    watch.tell(webhooks.event())
    watch.says("an agent was gone and is back")
    assert (watch.livekit.wanted, watch.lost) == ([], 0)


def test_what_somebody_sees_to_meanwhile_is_left_to_him(watch: Place) -> None:
    watch.livekit.after["AgentDispatchService/ListDispatch"] = watch.livekit.dispatches.clear
    watch.tell(webhooks.event())
    watch.says("somebody else has seen to it")
    assert (watch.livekit.wanted, watch.lost) == ([], 0)


def test_an_agent_that_is_back_while_another_one_comes_leaves(watch: Place) -> None:
    def back() -> None:
        watch.livekit.people = [CALLER, OTHER, LOST]

    watch.livekit.after["AgentDispatchService/CreateDispatch"] = back
    watch.tell(webhooks.event())
    out = ("RoomService/RemoveParticipant", {"room": "r", "identity": "agent-AJ_1"})
    assert wait_until(lambda: out in watch.livekit.wanted, 15, every=0.05), watch.log
    assert watch.livekit.wanted.count(ANEW) == 1


def test_a_room_that_is_over_is_asked_once(watch: Place) -> None:
    watch.livekit.over = True
    watch.tell(webhooks.event())
    watch.says("its room is over")
    watch.tell(webhooks.event(identity="agent-AJ_7"))
    assert wait_until(lambda: watch.log.count("its room is over") == 2, 15, every=0.05), watch.log
    assert (watch.livekit.wanted, watch.lost) == ([], 0)


def test_what_its_worker_has_seen_to_is_left_alone(watch: Place) -> None:
    watch.livekit.dispatches.clear()
    watch.tell(webhooks.event())
    watch.says("its dispatch was seen to")
    assert (watch.livekit.wanted, watch.lost) == ([], 0)


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ([], "nobody is left"),
        ([CALLER, OTHER], "another agent"),
        ([{"identity": "x", "kind": "EGRESS"}], "nobody is left"),
    ],
)
def test_nobody_is_sent_where_nobody_waits_or_somebody_is(watch: Place, people: list[dict[str, Any]], why: str) -> None:
    watch.livekit.people = people
    watch.tell(webhooks.event())
    watch.says(why)
    assert (watch.lost, ANEW in watch.livekit.wanted) == (1, False), "it was lost all the same"


def test_agents_that_are_no_fleets_and_proofs_are_nobodys_business(place: Place) -> None:
    place.livekit.dispatch("strangers", "agent-AJ_1")
    place.livekit.dispatch("echo", "agent-AJ_2", deployment="proof-x")
    with place.running():
        place.tell(webhooks.event())
        place.tell(webhooks.event(identity="agent-AJ_2"))
        assert wait_until(lambda: place.log.count("is of no fleet") == 2, 15, every=0.05), place.log
        assert (place.livekit.wanted, place.lost) == ([], 0)


def test_livekit_server_may_say_it_twice(watch: Place) -> None:
    for _ in range(3):
        watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log

    def told() -> bool:
        watch.tell(webhooks.event())
        return "its dispatch was seen to" in watch.log

    assert wait_until(told, 15, every=0.1), watch.log
    assert (watch.lost, watch.livekit.wanted.count(ANEW)) == (1, 1)


def test_without_a_worker_it_tries_until_there_is_one(watch: Place) -> None:
    watch.livekit.takes = False
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.livekit.wanted.count(ANEW) > 1, 15, every=0.05), watch.log
    watch.livekit.takes = True
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    assert watch.lost == 1
    assert len(watch.livekit.dispatches) == 1, "those that nobody took are not left behind"


def test_without_a_worker_it_gives_up_in_the_end(watch: Place) -> None:
    watch.livekit.takes = False
    watch.tell(webhooks.event())
    watch.says("no worker took it")
    assert (watch.lost, watch.again) == (1, 0)
    assert watch.livekit.dispatches == {}


def test_an_agent_that_comes_back_later_leaves_again(watch: Place) -> None:
    """Its host was cut off: its token is still good."""
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    watch.livekit.people = [CALLER, OTHER, LOST]
    watch.tell(webhooks.event("participant_joined"))
    out = ("RoomService/RemoveParticipant", {"room": "r", "identity": "agent-AJ_1"})
    assert wait_until(lambda: out in watch.livekit.wanted, 15, every=0.05), watch.log
    watch.tell(webhooks.event("participant_joined", identity="agent-AJ_2"))
    assert watch.livekit.wanted.count(out) == 1


def test_a_room_that_ends_every_agent_gets_three(place: Place) -> None:
    with place.running():
        for number in range(1, 6):
            place.livekit.dispatches.clear()
            place.livekit.dispatch("echo", f"agent-AJ_{number}", metadata="m")
            place.tell(webhooks.event(identity=f"agent-AJ_{number}"))
            assert wait_until(lambda number=number: place.lost == number, 15, every=0.05), place.log  # type: ignore[misc]
            assert wait_until(lambda number=number: place.again == min(number, 3), 15, every=0.05), place.log  # type: ignore[misc]
        place.says("its job was lost too often")
        assert place.livekit.wanted.count(ANEW) == 3


def test_an_answer_that_got_lost_makes_no_second_dispatch(watch: Place) -> None:
    watch.livekit.deaf = 1
    watch.tell(webhooks.event())
    assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    assert watch.livekit.wanted.count(ANEW) == 1


def test_the_next_process_goes_on_with_what_is_open(place: Place) -> None:
    place.livekit.takes = False
    place.livekit.dispatch("echo", "agent-AJ_1", metadata="m")
    with place.running() as first:
        place.tell(webhooks.event())
        assert wait_until(lambda: ANEW in place.livekit.wanted, 15, every=0.05), place.log
        first.send_signal(signal.SIGKILL)
        first.wait()
    place.livekit.takes = True
    with place.running():
        assert wait_until(lambda: place.again, 15, every=0.05), place.log
    assert len(place.livekit.dispatches) == 1


@pytest.mark.parametrize("first", ["worker", "watcher", "both"])
def test_its_worker_and_the_watcher_send_one_agent_together(watch: Place, tmp_path: Path, first: str) -> None:
    """Both know of the job of a worker that was killed and is back."""
    from livekit_metal.roles.agents.on_host.again import Again  # noqa: PLC0415

    config = {"ws_url": watch.livekit.url, "api_key": KEY, "api_secret": SECRET, "agent_name": "echo", "deployment": ""}
    job = {"id": "AJ_1", "room": "r", "sid": "RM_1", "type": 0, "metadata": "m", "identity": "agent-AJ_1"}
    (dispatch,) = watch.livekit.dispatches
    (place := tmp_path / "worker").mkdir()
    Again(config | {"redispatch": True}, str(place)).began(job | {"dispatch": dispatch})
    worker = Again(config | {"redispatch": True}, str(place))
    worker.read()
    if first == "worker":
        worker.ready()
        assert wait_until(lambda: worker.dispatched, 15, every=0.05)
    watch.tell(webhooks.event())
    if first == "watcher":
        assert wait_until(lambda: watch.again, 15, every=0.05), watch.log
    if first != "worker":
        worker.ready()
    assert wait_until(lambda: watch.again + worker.dispatched, 15, every=0.05), watch.log
    watch.livekit.dispatch("echo", "agent-AJ_9", metadata="other")
    watch.tell(webhooks.event(identity="agent-AJ_9"))  # seen to after the first
    assert wait_until(lambda: watch.lost + worker.lost == 2, 15, every=0.05), watch.log
    assert watch.livekit.wanted.count(ANEW) == 1
