"""Progress: a bar on a terminal, a line each half minute in a log."""

from __future__ import annotations

import io

from livekit_metal.runtime.artifacts.status_line import INTERVAL, StatusLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_terminal_has_one_line_for_each_step_with_a_bar() -> None:
    out = Terminal()
    with StatusLine(out) as say:
        say("fetching")
        say("compiled 100 of 400 packages")
        say("compiled 400 of 400 packages")
    lines = out.getvalue().split("\n")
    assert [line.rsplit("\x1b[K", 1)[-1] for line in lines] == [
        "fetching",
        f"[{'#' * 24}] compiled 400 of 400 packages",
        "",
    ]
    assert f"[{'#' * 6}{'.' * 18}] compiled 100 of 400 packages" in lines[1]


def test_a_log_has_a_line_each_half_minute_and_for_each_step() -> None:
    out, clock = io.StringIO(), Clock()
    say = StatusLine(out, clock)
    for second in range(61):
        clock.now = float(second)
        say(f"compiled {second} packages")
    say("packing")
    assert INTERVAL == 30
    assert out.getvalue().splitlines() == [
        "compiled 0 packages",
        "compiled 30 packages",
        "compiled 60 packages",
        "packing",
    ]


def test_a_line_that_is_too_long_for_the_terminal_stays_one_line() -> None:
    out = Terminal()
    StatusLine(out)("x" * 500)
    assert len(out.getvalue()) < 200


def test_nothing_is_counted_towards_nothing() -> None:
    out = Terminal()
    StatusLine(out)("0 of 0 MB")
    assert out.getvalue().endswith("\x1b[K0 of 0 MB")
