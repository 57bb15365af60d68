"""What is said about a call: gaps, report, errors, access file."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procedures.call.access import Access
from procedures.call.errors import CallError, Step, redacted, remedy_for
from procedures.call.report import Event, Gap, Report, largest_gap
from stack.site import Site
from tests.data import CLUSTER


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


ACCESS = {
    "url": "wss://site",
    "api_key": "key",
    "api_secret": "hush",
    "ca_file": None,
    "hosts": {
        "lk1": {"address": "10.0.0.1", "url": "ws://10.0.0.1:7880", "roles": ["livekit"]},
        "db": {"address": "10.0.0.2", "url": None, "roles": ["redis"]},
    },
}


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


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


def test_access_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file would stay, and the pipe of another user (/dev/stdin) cannot be opened anew."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(ACCESS)))
    assert Access.load("-").api_secret == "hush"


def test_access_is_read_and_hides_its_secret(tmp_path: Path) -> None:
    access = Access.load(written(tmp_path / "a.json", ACCESS))
    assert access.api_secret == "hush"
    assert "hush" not in repr(access)
    assert access.through(None) == "wss://site"
    assert access.through("lk1") == "ws://10.0.0.1:7880"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("lk2", "call: access: no host 'lk2'; did you mean 'lk1'?"),
        ("db", "call: access: no URL leads to db alone; hosts with one: lk1"),
    ],
)
def test_a_host_that_cannot_be_used_is_told(tmp_path: Path, host: str, said: str) -> None:
    access = Access.load(written(tmp_path / "a.json", ACCESS))
    with pytest.raises(CallError) as caught:
        access.through(host)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "{path}: is [] (list); make it a mapping of settings"),
        (ACCESS | {"uri": "x"}, "{path}.uri: unknown key; did you mean 'url'?"),
        ({"url": "x", "api_key": "k"}, "{path}.api_secret: is missing; set it: secret of that key"),
    ],
)
def test_a_bad_access_file_is_told(tmp_path: Path, content: object, said: str) -> None:
    path = written(tmp_path / "a.json", content)
    with pytest.raises(CallError) as caught:
        Access.load(path)
    assert said.format(path=path) in str(caught.value)


def test_a_missing_access_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"No such file or directory; run 'make lab' or name the file"):
        Access.load(tmp_path / "none.json")


def test_access_of_a_site_is_by_its_hosts_that_serve(make_site: Callable[[dict[str, Any]], Site]) -> None:
    data = copy.deepcopy(CLUSTER) | {"edge": {"http": 17880}}
    data["hosts"]["lk1"]["roles"] = ["redis"]
    data["hosts"]["lk2"] |= {"address": "fd00::2", "public": "2001:db8::2"}
    site = make_site(data)
    with pytest.raises(CallError, match=r"test\.secrets does not exist yet; the first deploy makes it: "):
        Access.of(site)  # its API key would be known to nobody else
    assert site.vault is not None
    site.vault.persist()
    access = Access.of(site)
    urls = {name: host.url for name, host in access.hosts.items()}
    assert urls == {"lk1": None, "lk2": "ws://[2001:db8::2]:17880", "lk3": "ws://192.0.2.13:17880"}
    assert access.url == urls["lk2"]
    assert (access.api_key, access.api_secret) == (site.vault.api_key, site.vault.api_secret.reveal())


def test_access_of_a_site_goes_through_a_file_unchanged(single: Site, tmp_path: Path) -> None:
    assert single.vault is not None
    single.vault.persist()
    access = Access.of(single)
    assert Access.load(written(tmp_path / "a.json", dataclasses.asdict(access))) == access
