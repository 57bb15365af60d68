"""The table of tests/upgrade: what a change may do to a call, and what it may not."""

from __future__ import annotations

import dataclasses

import pytest

from livekit_metal.call.report import Event, Report
from tests.unit.call.test_call_report import GOOD
from tests.upgrade import judge
from tests.upgrade.judge import Outcome

CALL = dataclasses.replace(GOOD, seconds=61.0, received_s=60.98, largest_gap_ms=90.0, largest_gap_at_s=20.5)
CONTROL = dataclasses.replace(CALL, largest_gap_ms=30.0)


def event(at: float, what: str, who: str = "subscriber") -> Event:
    return Event(at=at, who=who, what=what)


RESUME = (event(10, "reconnecting"), event(14.5, "reconnected"))


def said(call: Report, control: Report = CONTROL) -> list[str]:
    return list(judge.problems(call, control, seconds=60))


def test_a_call_that_a_change_did_nothing_to() -> None:
    assert said(CALL) == []


def test_the_control_decides_how_much_the_machine_did() -> None:
    assert judge.limit(CONTROL) == 100
    call = dataclasses.replace(CALL, largest_gap_ms=101.0)
    assert said(call) == ["largest gap 101 ms at 20.5 s: more than 100 ms (the control's is 30 ms)"]
    assert said(call, dataclasses.replace(CONTROL, largest_gap_ms=34.0)) == []


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
    over = Outcome(change="rollback", hosts="1", call=CALL, control=CONTROL, problems=("largest gap 140 ms at 5.8 s",))
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
        "| config change | 3 | any way | 61 | 90 | 30 | 100 | none | lk1 10.0, lk2 8.0 | passed |",
        "| rollback | 1 | any way | - | - | - | - | - | - | skipped: there is none yet |",
        "| upgrade | 1 | turn-tls | - | - | - | - | - | - | FAILED |",
    ]
    assert [line.split()[-1] for line in judge.table(outcomes).splitlines()] == ["verdict", "passed", "yet", "FAILED"]
