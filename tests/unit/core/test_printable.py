"""Text of strangers in what operators read: no escape sequence, no forged line, no wall of text."""

from __future__ import annotations

import pytest

from livekit_metal.core.errors import Problem
from livekit_metal.core.printable import printable
from livekit_metal.janitor.report import Lost, Report

EVIL = "\x1b]0;owned\x07\x1b[2J\u202eroom\r\nok: every room has a node\x9b31m\ud800"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("weekly, Ünïcode 会議 👩‍🚀", "weekly, Ünïcode 会議 👩‍🚀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb", "a\\nb"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("\x9b\x00\x7f", "\\x9b\\x00\\x7f"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_no_plain_character_shows_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    shown.encode()


def test_long_text_is_cut_in_the_middle() -> None:
    shown = printable("a" * 50 + "x" * 100_000 + "b" * 50, 100)
    assert shown == "a" * 50 + "…(100000 more)…" + "b" * 50


def test_a_problem_keeps_its_line_breaks_and_nothing_else() -> None:
    assert str(Problem(f"rooms.{EVIL}", "line\n\x1b[2Jnext", "r\x07")).count("\n") == 1
    assert "\x1b" not in str(Problem(EVIL, EVIL, EVIL))


def test_the_janitor_shows_names_of_rooms_as_they_are_and_obeys_none() -> None:
    lost = Lost(room=EVIL, sid="RM_x", created=0, outcome="failed", detail=EVIL)
    report = Report(rooms=1, lost=(lost,))
    for said in (report.table(), *map(str, report.problems())):
        assert "\x1b" not in said
        assert "\u202e" not in said
        assert "\r" not in said
    assert len(report.table().splitlines()) == 2
