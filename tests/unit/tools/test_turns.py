"""Rows of `make test` share the machine, but for tests that compare the media of a call with a control."""

from __future__ import annotations

import contextlib
import shlex
import threading

import pytest

from lab.run import wait_until
from tests.rows import ROWS, Row
from tests.run import ROOT
from tests.turns import Turns


class Worker:
    """Somebody who wants a turn: ``has`` it, until ``done``."""

    def __init__(self, turns: Turns, *, alone: bool = False) -> None:
        self.has, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, args=(turns, alone))
        self._thread.start()

    def _work(self, turns: Turns, alone: bool) -> None:
        with turns.turn(alone=alone):
            self.has.set()
            self._go.wait()

    def done(self) -> None:
        self._go.set()
        if self.has.wait(10):
            self._thread.join(10)


def waits(worker: Worker) -> bool:
    """Not a proof, but it finds a turn that is given at once."""
    return not worker.has.wait(0.05)


def test_two_at_once_and_no_third() -> None:
    turns = Turns(2)
    first, second = Worker(turns), Worker(turns)
    assert first.has.wait(10)
    assert second.has.wait(10)
    third = Worker(turns)
    assert waits(third)
    first.done()
    assert third.has.wait(10)
    second.done()
    third.done()


def test_who_wants_the_machine_alone_has_it_alone() -> None:
    turns = Turns(2)
    beside = Worker(turns)
    assert beside.has.wait(10)
    measured = Worker(turns, alone=True)
    assert waits(measured)
    beside.done()
    assert measured.has.wait(10)
    others = [Worker(turns), Worker(turns, alone=True)]
    assert all(map(waits, others))
    measured.done()
    assert wait_until(lambda: any(other.has.is_set() for other in others), seconds=10)
    first, second = sorted(others, key=lambda other: not other.has.is_set())
    assert waits(second)
    first.done()
    assert second.has.wait(10)
    second.done()


def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns(1)
    with contextlib.suppress(OSError), turns.turn(alone=True):
        raise OSError("broken")
    worker = Worker(turns)
    assert worker.has.wait(10)
    worker.done()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_compares_media_has_the_machine_alone(row: Row) -> None:
    measured = (
        *(f"tests/{layer}" for layer in ("online", "media", "sip", "acme/test_renewal.py")),
        *(f"tests/faults/{what}" for what in ("calls", "cluster", "doctor", "test_disk_full.py")),
    )
    for step in row.steps:
        if not step.alone:
            assert not [word for word in step.words.split() if word.startswith(measured)], "it judges media"


def test_what_is_left_out_of_a_row_is_there() -> None:
    """A test that was renamed would silently run in the wrong row."""
    words = [step.words for row in ROWS for step in row.steps] + [row.first for row in ROWS]
    for each in words:
        for word in shlex.split(each):
            path = word.removeprefix("--ignore=")
            assert not path.startswith("tests/") or (ROOT / path).exists(), path
