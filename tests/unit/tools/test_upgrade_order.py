"""From where each row of tests/upgrade begins, and where it leaves the site: by a ground that stands nowhere."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.unit.tools.test_upgrade_judge import CALL, CONTROL
from tests.upgrade import __main__ as upgrade
from tests.upgrade import run
from tests.upgrade.ground import Ground
from tests.upgrade.judge import Outcome
from tests.upgrade.rows import Row, Settings, plus

GOOD = Outcome(change="", hosts="1", call=CALL, control=CONTROL)
OVER = dataclasses.replace(GOOD, problems=("largest gap of the video 340 ms at 3.0 s: more than 210 ms",))
BROKEN = dataclasses.replace(GOOD, problems=("events: 3.0 s subscriber: reconnecting",))
LOST = dataclasses.replace(CONTROL, reliable=dataclasses.replace(CONTROL.reliable, lost=1))
VOID = dataclasses.replace(GOOD, control=LOST, problems=("the control call is no measure",))
FIRST = Row(name="a", change="a", shows="", base={"a": 1}, after=plus(b=1))
SECOND = Row(name="b", change="b", shows="", after=plus(c=1))


class Standing:
    """Notes what it was told to be."""

    def __init__(self) -> None:
        self.hosts, self.base, self.settled = 0, dict[str, Any](), list[Settings]()

    def up(self, hosts: int) -> None:
        self.hosts = hosts

    def stand_on(self, base: Settings) -> None:
        self.base = dict(base)
        self.settle()

    def settle(self) -> None:
        self.settled.append(self.base)


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[Outcome]:
    """What the measurements are going to say."""
    coming: list[Outcome] = []

    @contextlib.contextmanager
    def nobody(_: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(upgrade, "untouched_server", nobody)
    monkeypatch.setattr(upgrade, "lab", lambda: None)
    monkeypatch.setattr(run, "row", lambda *_: [coming.pop(0)])
    monkeypatch.setattr(run, "say", lambda _: None)
    return coming


def measured(*rows: Row) -> tuple[list[Outcome], list[Settings]]:
    """What came of the rows, and everything that the site was brought to."""
    ground = Standing()
    rows = tuple(dataclasses.replace(row, back=cast(Any, Standing.settle)) for row in rows)
    said = upgrade.measured(cast(Ground, ground), [(1, row) for row in rows], 60)
    return said, ground.settled


def test_a_row_begins_where_the_one_before_ended(outcomes: list[Outcome]) -> None:
    outcomes += [GOOD, GOOD]
    said, settled = measured(FIRST, SECOND)
    assert said == [GOOD, GOOD]
    assert settled == [{"a": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}]


def test_a_row_whose_base_is_not_there_gets_it_and_no_more(outcomes: list[Outcome]) -> None:
    outcomes += [GOOD, GOOD]
    _, settled = measured(FIRST, dataclasses.replace(SECOND, base={"z": 1}))
    assert settled == [{"a": 1}, {"a": 1, "b": 1}, {"z": 1}, {"z": 1, "c": 1}]


def test_a_row_that_must_be_alone_gets_its_base_and_no_more(outcomes: list[Outcome]) -> None:
    outcomes += [GOOD, GOOD]
    _, settled = measured(FIRST, dataclasses.replace(SECOND, alone=True))
    assert settled == [{"a": 1}, {"a": 1, "b": 1}, {}, {"c": 1}]


def test_a_row_that_is_measured_again_goes_back_before(outcomes: list[Outcome]) -> None:
    outcomes += [VOID, GOOD]
    said, settled = measured(FIRST)
    assert said == [GOOD]
    assert settled == [{"a": 1}, {"a": 1}, {"a": 1, "b": 1}]


def test_an_outlier_is_measured_twice_more_from_the_same_base(outcomes: list[Outcome]) -> None:
    outcomes += [OVER, GOOD, GOOD]
    said, settled = measured(FIRST)
    assert [outcome.outlier for outcome in said] == [True, False, False]
    assert settled == [{"a": 1}, {"a": 1}, {"a": 1, "b": 1}, {"a": 1}, {"a": 1, "b": 1}]


def test_a_gap_that_comes_again_is_a_failure(outcomes: list[Outcome]) -> None:
    outcomes += [OVER, GOOD, OVER]
    said, settled = measured(FIRST)
    assert [outcome.failed for outcome in said] == [True, False, True]
    assert settled[-1] == {"a": 1}


def test_a_row_that_failed_leaves_nothing(outcomes: list[Outcome]) -> None:
    outcomes += [BROKEN, GOOD]
    said, settled = measured(FIRST, SECOND)
    assert [outcome.failed for outcome in said] == [True, False]
    assert settled == [{"a": 1}, {"a": 1}, {"a": 1, "c": 1}]
