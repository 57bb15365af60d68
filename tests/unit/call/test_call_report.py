"""What is said about a call: gaps, report, errors."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import Any

import pytest

from livekit_metal.call.errors import CallError, Step, redacted, remedy_for
from livekit_metal.call.report import Event, Gap, Report, largest_gap


def test_the_largest_gap_is_between_arrivals() -> None:
    assert largest_gap([1.0, 1.25, 2.0, 2.5], 2.75) == Gap(750, 1.25)


def test_sound_that_stops_for_good_is_a_gap() -> None:
    assert largest_gap([1.0, 1.25], 4.25) == Gap(3000, 1.25)


def test_an_arrival_after_the_end_is_no_negative_gap() -> None:
    assert largest_gap([1.0], 0.9).ms == 0


def test_no_arrival_has_no_gap() -> None:
    with pytest.raises(ValueError, match="no arrivals"):
        largest_gap([], 1.0)


GOOD = Report(
    room="call-1",
    node="ND_1",
    version="1.13.5",
    publish_url="ws://a",
    subscribe_url="ws://b",
    started=1_800_000_000.0,
    seconds=10.0,
    first_frame_s=0.41,
    frames=1004,
    received_s=9.98,
    largest_gap_ms=31.4,
    largest_gap_at_s=2.5,
    tone_share=0.97,
    late_ms=3.0,
    events=(),
)
GONE = Event(at=3.3, who="subscriber", what="disconnected", detail="server_shutdown")


def test_a_good_call_has_no_problems() -> None:
    assert GOOD.ok
    assert list(GOOD.problems()) == []


def test_a_reconnection_is_told_but_no_problem() -> None:
    event = Event(at=2.0, who="publisher", what="reconnected")
    report = dataclasses.replace(GOOD, events=(event,))
    assert report.ok
    assert "2.00 s publisher: reconnected" in report.table()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"received_s": 8.98, "largest_gap_ms": 1020.0},
            "call: media: 9.0 s of 10.0 s of sound arrived, largest gap 1020 ms at 2.5 s; "
            "compare with what happened to the server or the path at that time",
        ),
        (
            {"tone_share": 0.79},
            "call: tone: 79% of the sound is the tone that was published; "
            "see who else publishes in the room, and whether packets are lost",
        ),
        (
            {"events": (GONE,)},
            "call: events: 3.30 s subscriber: disconnected (server_shutdown); read the server's journal at that time",
        ),
    ],
)
def test_each_flaw_is_a_problem(change: dict[str, Any], said: str) -> None:
    report = dataclasses.replace(GOOD, **change)
    assert not report.ok
    assert [str(problem) for problem in report.problems()] == [said]


def test_a_second_may_be_missing() -> None:
    assert dataclasses.replace(GOOD, received_s=9.0).ok


def test_the_json_holds_every_field() -> None:
    report = dataclasses.replace(GOOD, events=(GONE,))
    read = json.loads(report.to_json())
    assert read.pop("ok") is False
    assert read.pop("problems") == [str(problem) for problem in report.problems()]
    assert read.pop("events") == [dataclasses.asdict(GONE)]
    assert Report(**read, events=(GONE,)) == report


def test_the_table_is_ascii_with_a_line_per_figure() -> None:
    table = dataclasses.replace(GOOD, events=(GONE, GONE)).table()
    assert table.isascii()
    assert [line[:12].strip() for line in table.splitlines()] == [
        "room",
        "first frame",
        "frames",
        "received",
        "largest gap",
        "client late",
        "tone",
        "events",
        "",
    ]


def test_tokens_stay_out_of_errors_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    header = "eyJhbGciOiJIUzI1NiJ9"
    jwt = f"{header}.eyJzdWIiOiJhIn0.c2ln-bmF_0dXJl"
    assert redacted(f"401: invalid token: {jwt}, error: x") == "401: invalid token: (token), error: x"
    assert header not in str(CallError("connect", f"no: {jwt}", "do"))
    with caplog.at_level(logging.WARNING, logger="livekit"):
        logging.getLogger("livekit").warning("%s refused", jwt)
    assert caplog.messages == ["(token) refused"]


@pytest.mark.parametrize(
    ("fact", "proxy", "remedy"),
    [
        ("401 Unauthorized", None, "use a key and secret"),
        ("401 Unauthorized", "HTTP_PROXY", "use a key and secret"),
        ("invalid peer certificate: UnknownIssuer", None, "name the CA"),
        ("wait_pc_connection timed out", "HTTP_PROXY", "open a path for media"),
        ("Connection refused (os error 111)", None, "see whether livekit-server"),
        ("Connection refused (os error 111)", "HTTP_PROXY", "unset HTTP_PROXY"),
        ("404 Not Found", "https_proxy", "unset https_proxy"),
        ("404 Not Found", None, "see the server's journal"),
    ],
)
def test_a_failed_connection_has_its_remedy(fact: str, proxy: str | None, remedy: str) -> None:
    assert remedy_for(fact, proxy).startswith(remedy)


@pytest.mark.parametrize(
    ("step", "fact", "expected"),
    [
        ("connect", "engine: timeout: wait_pc_connection timed out", True),
        ("connect", "signal failure: connection refused", False),
        ("first frame", "no frame", True),
        ("publish", "publisher's track: nothing after 10 s", True),
        ("node", "no room on ND_1", False),
    ],
)
def test_a_failure_of_media_is_told_from_one_of_signalling(step: Step, fact: str, expected: bool) -> None:
    assert CallError(step, fact, "do").no_media is expected
