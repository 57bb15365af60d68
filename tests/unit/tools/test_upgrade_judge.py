"""The table of tests/upgrade: what a change may do to a call, and what it may not."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from livekit_metal.call.report import Event
from tests.unit.call.test_call_report import GOOD
from tests.upgrade import judge
from tests.upgrade.judge import Outcome
from tests.upgrade.messages import Messages
from tests.upgrade.report import WholeReport, read

ALL = Messages(sent=610, lost=0, twice=0, slowest_ms=42.0)
CALL = WholeReport(
    **dataclasses.asdict(GOOD)
    | {"seconds": 61.0, "received_s": 60.98, "largest_gap_ms": 90.0, "largest_gap_at_s": 20.5, "events": ()},
    pictures=915,
    video_s=61.0,
    picture_gap_ms=130.0,
    picture_gap_at_s=21.5,
    reliable=ALL,
    lossy=dataclasses.replace(ALL, lost=2, slowest_ms=48.0),
    sound_lost=1,
    video_lost=2,
)
CONTROL = dataclasses.replace(CALL, largest_gap_ms=30.0, picture_gap_ms=70.0, lossy=ALL, sound_lost=0, video_lost=0)


def event(at: float, what: str, who: str = "subscriber") -> Event:
    return Event(at=at, who=who, what=what)


RESUME = (event(10, "reconnecting"), event(14.5, "reconnected"))


def said(call: WholeReport, control: WholeReport = CONTROL) -> list[str]:
    return list(judge.problems(call, control, seconds=60))


def test_a_call_that_a_change_did_nothing_to() -> None:
    assert said(CALL) == []


def test_the_control_decides_how_much_the_machine_did() -> None:
    assert judge.limit(CONTROL) == 100
    call = dataclasses.replace(CALL, largest_gap_ms=101.0)
    assert said(call) == ["largest gap of the sound 101 ms at 20.5 s: more than 100 ms (the control's is 30 ms)"]
    assert said(call, dataclasses.replace(CONTROL, largest_gap_ms=34.0)) == []


def test_the_control_decides_for_the_video_too() -> None:
    assert judge.video_limit(CONTROL) == 210
    call = dataclasses.replace(CALL, picture_gap_ms=211.0)
    assert said(call) == ["largest gap of the video 211 ms at 21.5 s: more than 210 ms (the control's is 70 ms)"]
    assert said(call, dataclasses.replace(CONTROL, picture_gap_ms=71.0)) == []


def test_video_that_misses_many_pictures_one_by_one() -> None:
    call = dataclasses.replace(CALL, pictures=800)
    assert said(call) == [
        "7.7 s of 61.0 s of video did not arrive: more than 1.0 s (the control misses 0.0 s)",
    ]
    assert said(call, dataclasses.replace(CONTROL, pictures=870)) == []


@pytest.mark.parametrize(
    ("messages", "fact"),
    [
        ({"lost": 1}, "1 of 610 lost, 0 came twice, slowest 42 ms"),
        ({"twice": 1}, "0 of 610 lost, 1 came twice, slowest 42 ms"),
    ],
)
def test_reliable_messages_arrive_each_and_once(messages: dict[str, Any], fact: str) -> None:
    lossy = dataclasses.replace(ALL, **messages)
    call = dataclasses.replace(CALL, reliable=lossy)
    assert said(call) == [
        f"call: reliable messages: {fact}; compare with what happened to the server or the path at that time"
    ]
    assert Outcome(change="", hosts="1", call=CALL, control=call).void
    assert said(dataclasses.replace(CALL, lossy=lossy)) == []


def test_a_message_that_is_late_shows_and_is_no_failure() -> None:
    call = dataclasses.replace(CALL, reliable=dataclasses.replace(ALL, slowest_ms=3000.0))
    assert said(call) == []
    assert "3000 / 42" in Outcome(change="", hosts="1", call=call, control=CONTROL).cells()


def test_packets_that_nobody_counted_are_not_none() -> None:
    cells = Outcome(change="", hosts="1", call=dataclasses.replace(CALL, video_lost=-1), control=CONTROL).cells()
    assert "unknown / 0" in cells


def test_a_report_of_another_process_is_the_same() -> None:
    report = dataclasses.replace(CALL, events=RESUME)
    assert read(json.loads(json.dumps(dataclasses.asdict(report)))) == report


def test_the_report_tells_all_of_it() -> None:
    lines = dict(line.split(None, 1) for line in CALL.table().splitlines() if line[0] != " ")
    assert lines["pictures"] == "915; 0.00 of 61.00 s are missing"
    assert lines["reliable"] == "0 of 610 lost, 0 came twice, slowest 42 ms"
    assert lines["lossy"].startswith("2 of 610 lost")
    assert lines["packets"] == "lost 1 of the sound, 2 of the video"


def test_sound_that_is_missing_bit_by_bit() -> None:
    call = dataclasses.replace(CALL, received_s=59.5)
    assert said(call) == ["1.5 s of 61.0 s of sound did not arrive: more than 1.0 s (the control misses 0.0 s)"]
    assert said(call, dataclasses.replace(CONTROL, received_s=60.4)) == []


def test_a_control_that_failed_excuses_nothing() -> None:
    control = dataclasses.replace(CONTROL, largest_gap_ms=9000.0, received_s=30.0)
    (problem,) = said(dataclasses.replace(CALL, largest_gap_ms=9000.0), control)
    assert problem.startswith("the control call is no measure: call: media: 30.0 s of 61.0 s")


def test_a_row_is_void_when_the_control_failed_and_only_then() -> None:
    lossy = dataclasses.replace(CONTROL, received_s=59.0)
    assert Outcome(change="", hosts="1", call=CALL, control=lossy).void
    assert not Outcome(change="", hosts="1", call=lossy, control=CONTROL).void
    assert not Outcome(change="", hosts="1").void


def test_an_outlier_is_no_failure_and_shows() -> None:
    over = Outcome(
        change="rollback", hosts="1", call=CALL, control=CONTROL, problems=("largest gap of the video 340 ms",)
    )
    assert over.failed
    assert over.over
    assert over.cells()[-1] == "FAILED"
    outlier = dataclasses.replace(over, outlier=True)
    assert not outlier.failed
    assert outlier.cells()[-1] == "outlier"
    assert not dataclasses.replace(over, problems=(*over.problems, "events: disconnected")).over
    assert not Outcome(change="", hosts="1").over


def test_a_call_that_was_too_short() -> None:
    assert said(dataclasses.replace(CALL, seconds=59.9, received_s=59.9)) == ["the call lasted 59.9 s, not 60"]


@pytest.mark.parametrize(
    "events",
    [
        (event(10, "reconnecting"),),
        (event(10, "track unsubscribed"),),
        (event(10, "track unsubscribed"), event(11, "track subscribed again")),
        (event(10, "disconnected"),),
        RESUME,
    ],
)
def test_no_event_is_allowed(events: tuple[Event, ...]) -> None:
    found = said(dataclasses.replace(CALL, events=events))
    assert f"events: {'; '.join(map(str, events))}" in found


DEPLOY = """\
    --> Disconnecting from hosts...

    host  result
    lk1   done        10.4 s
            edge reloaded
            livekit 1.13.5-3e66f6dc9626 on slot b
    lk2   done        2.5 s
    lk3   unchanged
            livekit 1.13.5-3e66f6dc9626 on slot a
    lk4   failed      livekit: no slot is empty; 0.3 s
    note (lk1) edge: takes 9500 connections at once, not 20000 s
"""


def test_the_seconds_that_a_deploy_tells() -> None:
    assert judge.activations(DEPLOY) == {
        "lk1": ("done", 10.4),
        "lk2": ("done", 2.5),
        "lk3": ("unchanged", 0.0),
        "lk4": ("failed", 0.3),
    }


def test_the_table() -> None:
    outcomes = [
        Outcome(change="config change", hosts="3", call=CALL, control=CONTROL, activation={"lk1": 9.96, "lk2": 8.0}),
        Outcome(change="rollback", hosts="1", skipped="there is none yet"),
        Outcome(change="upgrade", hosts="1", path="turn-tls", problems=("it broke",)),
    ]
    assert judge.markdown(outcomes).splitlines()[2:] == [
        "| config change | 3 | any way | 61 | 90 / 30 / 100 | 130 / 70 / 210 | 0 / 0 | 2 / 0 | 48 / 42 | 3 / 0 | none "
        "| lk1 10.0, lk2 8.0 | passed |",
        "| rollback | 1 | any way | - | - | - | - | - | - | - | - | - | skipped: there is none yet |",
        "| upgrade | 1 | turn-tls | - | - | - | - | - | - | - | - | - | FAILED |",
    ]
    assert [line.split()[-1] for line in judge.table(outcomes).splitlines()] == ["verdict", "passed", "yet", "FAILED"]
