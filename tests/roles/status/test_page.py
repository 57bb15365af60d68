"""The page of procedures/status.py: what the table says, as text that no stranger can make markup of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.roles.livekit.occupancy import Occupancy, State
from livekit_metal.roles.prometheus import firing
from livekit_metal.roles.prometheus.firing import Firing
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import read_only
from livekit_metal.runtime.run.read_only import Reading, Unreachable
from livekit_metal.runtime.slots.occupancy import Sessions
from livekit_metal.status import page, render
from livekit_metal.status.facts import Overview, Service
from tests.roles.conftest import FakeRun

NOW = 1795262400  # 2026-11-21 12:00:00 UTC
EVIL = '<script src="x">&\x1b[31m'
ALERT = Firing("RedisDown", "page", "2026-11-21 11:59:00Z", f"Redis on lk1 does not answer {EVIL}", "pyinfra INVENTORY")


def overview(**more: Any) -> Overview:
    people = Occupancy(slot="a", state=State.DRAINING, generation="ab12", release="1-e", rooms=1, participants=2)
    people = replace(people, websockets=2, unjoined=(EVIL,), since=NOW - 60, deadline=NOW + 7200)
    recordings = Sessions(slot="b", state=State.ACTIVE, generation="cd", release="2-f", sessions=3)
    one = Overview("a", {"a": people}, None, {"who": "anna", "since": "then", "why": EVIL}, {}, ())
    return replace(one, services={"egress": Service("recordings", "b", {"b": recordings})}, **more)


class Text(HTMLParser):
    """What a person reads, and which elements there are."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, "elements are nested"

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)


def read(found: dict[str, Any], again: int = 0) -> Text:
    text = Text()
    text.feed(page.page("prod", found, NOW, again))
    assert not text._open
    return text


def test_it_says_what_the_table_says() -> None:
    words = " ".join(read({"lk1": overview(watches=True, alerts=(ALERT,), certificate="ends on D, in 9 days")}).words)
    for said in (
        "prod",
        "2026-11-21 12:00:00 UTC",
        "RedisDown",
        "2026-11-21 11:59:00Z",
        "draining",
        "killed at 2026-11-21 14:00:00Z, in 2 h 0 min",
        "egress",
        "recordings",
        "go to slot b",
        "ends on D, in 9 days",
        "then by anna",
    ):
        assert said in words, words


def test_text_of_others_is_no_markup() -> None:
    one = overview(watches=True, alerts=(ALERT,))
    found = read({"lk1": one, EVIL: Unreachable(EVIL), "lk3": replace(one, alerts=None)})
    assert "script" not in {tag for tag, _ in found.elements}
    assert "<script" in "".join(found.words), "it is shown as what it is"
    assert "\x1b" not in "".join(found.words)
    assert "does not answer: nobody is told" in " ".join(found.words)


def test_it_loads_and_runs_nothing() -> None:
    found = read({"lk1": overview()})
    policies = [
        attrs["content"] for tag, attrs in found.elements if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not [attrs for _, attrs in found.elements if {"src", "href", "onload"} & set(attrs)]


@pytest.mark.parametrize(("again", "refreshed"), [(0, []), (5, ["5"])])
def test_a_browser_reads_it_again_only_where_somebody_writes_it_again(again: int, refreshed: list[str]) -> None:
    found = read({"lk1": overview()}, again).elements
    assert [attrs["content"] for _, attrs in found if attrs.get("http-equiv") == "refresh"] == refreshed


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"watches": True, "alerts": ()}, "none fires"),
        ({"watches": True, "alerts": None}, "Prometheus on lk1 does not answer"),
        ({}, "no host that was read has the role prometheus"),
    ],
)
def test_no_alert_is_told_from_no_answer(more: dict[str, Any], words: str) -> None:
    assert words in " ".join(read({"lk1": overview(**more)}).words)


def told(*alerts: tuple[str, str, str]) -> HostState:
    said = [
        {
            "labels": {"alertname": name, "severity": severity},
            "state": state,
            "activeAt": "2026-11-21T11:59:00.123Z",
            "annotations": {"summary": "of it\nmore", "command": "next"},
        }
        for name, severity, state in alerts
    ]
    return HostState(answers={"status.alerts": [json.dumps({"status": "success", "data": {"alerts": said}})]})


def test_those_that_somebody_is_told_of_are_read() -> None:
    seen = told(
        ("Jitter", "ticket", "firing"),
        ("RedisDown", "page", "firing"),
        ("Pending", "page", "pending"),
        ("DeadMansSwitch", "none", "firing"),
    )
    assert firing.firing(seen) == (
        Firing("RedisDown", "page", "2026-11-21 11:59:00Z", "of it more", "next"),
        Firing("Jitter", "ticket", "2026-11-21 11:59:00Z", "of it more", "next"),
    )


@pytest.mark.parametrize("said", [[], [""], ["[]"], ['{"data": {"alerts": [{}]}}']])
def test_an_answer_that_makes_no_sense_is_none(said: list[str]) -> None:
    assert firing.firing(HostState(answers={"status.alerts": said})) is None


def test_the_table_has_them_too() -> None:
    lines = "\n".join(render.table({"lk1": overview(watches=True, alerts=(ALERT,))}, NOW))
    assert "alerts        RedisDown since 2026-11-21 11:59:00Z: " in lines
    assert "alerts        none" in "\n".join(render.table({"lk1": overview(watches=True, alerts=())}, NOW))
    assert "alerts" not in "\n".join(render.table({"lk1": overview()}, NOW))


def test_each_look_of_a_watch_is_a_new_one(fake_run: Callable[..., FakeRun], tmp_path: Path) -> None:
    """One host answers at first and not later, the other the other way round."""
    asked: list[str] = []
    found: list[Any] = []

    def answer(host: str, command: str) -> str | None:
        if "sh -s" not in command:
            return ""
        asked.append(host)
        return "#end" if (host == "lk1") == (asked.count(host) == 1) else "#files"

    def conclude(run: Any, first: Any) -> int:
        found.extend((dict(first), read_only.again(run)))
        return 0

    def declare() -> None:
        from pyinfra.context import ctx_state  # noqa: PLC0415

        if not any(isinstance(each, Reading) for each in ctx_state.get().callback_handlers):
            ctx_state.get().add_callback_handler(Reading(lambda *_: None))
        read_only.gather(StateQuery(queries=(("it", "true"),)), lambda seen: "read", conclude)

    with pytest.raises(SystemExit):
        fake_run(declare, ("lk1", "lk2"), answer)
    first, second = found
    assert first["lk1"] == "read" == second["lk2"]
    assert isinstance(first["lk2"], Unreachable)
    assert isinstance(second["lk1"], Unreachable)
