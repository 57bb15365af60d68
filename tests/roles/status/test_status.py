"""procedures/status.py: what is read of a host, how it is shown, and what is shown when nobody answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from livekit_metal.roles.livekit.occupancy import Occupancy, State
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.read_only import Unreachable
from livekit_metal.runtime.slots.occupancy import Sessions
from livekit_metal.site.model import Site
from livekit_metal.status import facts, render
from livekit_metal.status.facts import Overview, Service

ROOT = Path(__file__).parents[3]
NOW = 1795262400  # 2026-11-21 12:00:00 UTC
HOUR = 3600


def seen(**probes: list[str]) -> HostState:
    found = {"lock.holder": [], "marks": [], "audit": [], "livekit.occupancy": ["active a", "a state active", "end"]}
    found["preflight.links"] = ["lo 127.0.0.1", "eth0 192.0.2.11", "docker0 172.17.0.1"]
    return HostState(answers=found | {name.replace("_", "."): lines for name, lines in probes.items()})


def of(site: Site, **probes: list[str]) -> Overview:
    return facts.of(site.for_host("lk1"), seen(**probes))


def test_a_host_without_any_record(single: Site) -> None:
    found = of(single)
    assert (found.serving, list(found.slots)) == ("a", ["a", "b", "c"])
    assert (found.lock, found.maintenance, found.rejected, found.changes) == (None, None, {}, ())


def test_every_record_is_read(single: Site) -> None:
    found = of(
        single,
        lock_holder=['{"who": "root", "from": "vm", "pid": 4, "since": "now"}'],
        marks=['maintenance {"who": "anna", "since": "then", "why": "disk"} ', 'rejected ab12 {"why": "no sound"}'],
        audit=['{"what": "one"}', '{"what": "tw'],
    )
    assert found.lock == {"who": "root", "from": "vm", "pid": 4, "since": "now"}
    assert found.maintenance == {"who": "anna", "since": "then", "why": "disk"}
    assert found.rejected == {"ab12": {"why": "no sound"}}
    assert found.changes == ({"what": "one"}, {"unreadable": '{"what": "tw'})


def test_damaged_records_still_count(single: Site) -> None:
    found = of(single, lock_holder=["{"], marks=["maintenance ", "rejected ab12 "])
    assert found.lock == {}
    assert found.maintenance == {"unreadable": ""}
    assert found.rejected == {"ab12": {"unreadable": ""}}


def test_a_host_without_livekit_has_no_slots(site_data: dict[str, Any], make_site: Callable[..., Site]) -> None:
    site_data["hosts"]["lk1"]["roles"] = ["redis"]
    site = make_site(site_data)
    stack = site.for_host("lk1")
    found = facts.of(stack, HostState(answers={"lock.holder": [], "marks": [], "audit": []}))
    assert (found.slots, found.serving) == ({}, "")
    assert "livekit.occupancy" not in dict(facts.needs(site, stack).queries)
    assert "new sessions" not in shown(found)


def test_marks_are_found_where_the_site_keeps_them(alternative: Site, tmp_path: Path) -> None:
    """By a real shell; a record of several lines is one line of the answer, and other files are no records."""
    marks = dict(facts.needs(alternative, alternative.for_host("lk1")).queries)["marks"]
    marks = marks.replace(alternative.paths.config, str(tmp_path))
    assert str(tmp_path) in marks

    def run() -> list[str]:
        return subprocess.run(["sh", "-c", marks], capture_output=True, text=True, check=True).stdout.splitlines()

    assert run() == []
    (tmp_path / "maintenance").write_text('{\n"who": "anna"\n}\n')
    (tmp_path / "livekit/rejected").mkdir(parents=True)
    (tmp_path / "livekit/rejected/ab12").write_text('{"why": "no sound"}')
    assert run() == ['maintenance { "who": "anna" } ', 'rejected ab12 {"why": "no sound"}']


def _slot(slot: str, state: State, generation: str = "", release: str = "", *rest: Any, **named: Any) -> Occupancy:
    names = ("rooms", "participants", "unjoined", "websockets", "since", "deadline")
    known = dict(zip(names, rest, strict=False))
    return Occupancy(slot=slot, state=state, generation=generation, release=release, **known, **named)


SLOTS = {
    "a": _slot("a", State.DRAINING, "ab12", "1.13.4-e", 1, 2, (), 2, NOW - 90, NOW - 90 + 5 * HOUR),
    "b": _slot("b", State.ACTIVE, "cd34", "1.13.5-f", 12, 340, ("weekly", "\x1b[31mred\n", " "), 351),
    "c": _slot("c", State.EMPTY),
}
ANNA = {"who": "anna@laptop", "since": "2026-11-21 11:00:00Z", "when": "2026-11-21 10:00:00Z", "why": "disk"}
CHANGE = {
    "when": "W",
    "who": "anna@laptop",
    "procedure": "deploy",
    "role": "livekit",
    "what": "1 -> 2",
    "result": "done",
}
FULL = Overview("b", SLOTS, {"who": "r", "from": "vm", "pid": 4, "since": "S"}, ANNA, {"ab12": ANNA}, (CHANGE, CHANGE))


def shown(one: Overview | Unreachable) -> str:
    return "\n".join(render.table({"lk1": one}, NOW)).replace("\x1b[0m", "").replace("\x1b[1m", "")


def test_the_table_says_everything() -> None:
    text = shown(FULL)
    for words in (
        "drains since 2026-11-21 11:58:30Z; killed at 2026-11-21 16:58:30Z, in 4 h 58 min",
        "12           340         351",
        "rooms that nobody is in: weekly, '\\x1b[31mred\\n', ' '",
        "new sessions  go to slot b\n",
        "deploy lock   held by r on vm, process 4, since S",
        "maintenance   2026-11-21 11:00:00Z by anna@laptop: disk",
        "rejected      ab12: 2026-11-21 10:00:00Z by anna@laptop: disk",
        "last changes  W anna@laptop deploy: livekit 1 -> 2: done\n                  W anna@laptop",
    ):
        assert words in text, text


def test_another_daemon_has_a_table_of_its_own() -> None:
    slots = {
        "a": Sessions(
            slot="a", state=State.DRAINING, generation="ab", release="1-e", since=NOW, deadline=NOW + 60, sessions=3
        ),
        "b": Sessions(slot="b", state=State.ACTIVE, generation="cd", release="2-f"),
    }
    one = replace(FULL, services={"egress": Service("recordings", "b", slots)})
    text = click.unstyle(shown(one))
    for words in (
        "    egress\n    slot  state     generation  release  recordings\n",
        "    a     draining  ab          1-e               3\n          drains since 2026-11-21 12:00:00Z; killed at",
        "does not answer: journalctl -u livekit-egress@b",
        "new ones      go to slot b\n",
    ):
        assert words in text, text
    said = json.loads(render.as_json({"lk1": one}, NOW))["hosts"]["lk1"]["services"]["egress"]
    assert (said["noun"], said["serving"], said["slots"]["a"]["since"]) == ("recordings", "b", "2026-11-21 12:00:00Z")


@pytest.mark.parametrize(
    ("slot", "words"),
    [
        (_slot("a", State.ACTIVE, "ab", "r", websockets=3), "does not answer: journalctl -u livekit-server@a"),
        (_slot("a", State.ACTIVE), "has no process that says its generation"),
        (_slot("a", State.ACTIVE, "ab", "r"), "does not say its ports"),
        (_slot("a", State.ACTIVE, "ab", "r", 1, 2, None, 3), "rooms that nobody is in: unknown"),
        (_slot("a", State.EMPTY), "go to slot a, which is empty; a deploy mends it"),
        (_slot("a", State.DRAINING, "ab", "r", 1, 2, (), 3, 4), "never killed"),
        (_slot("a", State.DRAINING, "ab", "r", 1, 2, (), 3, 4, 5), "overdue"),
        (_slot("a", State.DRAINING, "ab", "r", 0, 2, None, 2, 4), "no room is on it: it still passes on signalling"),
        (_slot("a", State.ACTIVE, "ab", "r", 1, 2, tuple("abcdefghijklmnopqrstuvwxyz"), 3), "s, t and 6 more"),
    ],
)
def test_what_is_unusual_is_said(slot: Occupancy, words: str) -> None:
    assert words in shown(Overview("a", {"a": slot}, None, None, {}, ()))


@pytest.mark.parametrize(
    ("text", "said"),
    [("ü b-1", "ü b-1"), ("", "''"), (" a", "' a'"), ("\x1b[31mred", "'\\x1b[31mred'"), ("a\u202eb", "'a\\u202eb'")],
)
def test_texts_of_others_do_no_harm_to_a_terminal(text: str, said: str) -> None:
    assert render.plain(text) == said


@pytest.mark.parametrize(
    ("maintenance", "words"), [(None, "go to no slot: nothing was deployed yet"), (ANNA, "go to other hosts")]
)
def test_a_host_without_an_active_slot_says_why(maintenance: dict[str, str] | None, words: str) -> None:
    assert words in shown(Overview("", {"a": _slot("a", State.EMPTY)}, None, maintenance, {}, ()))


def test_a_host_that_could_not_be_read_stands_beside_the_others() -> None:
    lines = render.table({"lk1": Unreachable("hosts.lk1: gone; mend it"), "lk2": FULL}, NOW)
    assert "hosts.lk1: gone; mend it" in lines[2]
    assert any("go to slot b" in line for line in lines)


def test_the_json_has_the_same_in_utc() -> None:
    said = json.loads(render.as_json({"lk1": FULL, "lk2": Unreachable("gone")}, NOW))
    assert said["time"] == "2026-11-21 12:00:00Z"
    assert said["hosts"]["lk2"] == {"error": "gone"}
    one = said["hosts"]["lk1"]
    assert (one["serving"], one["maintenance"], one["rejected"]) == ("b", ANNA, {"ab12": ANNA})
    assert one["slots"]["a"]["deadline"] == "2026-11-21 16:58:30Z"
    assert one["slots"]["b"]["unjoined"] == ["weekly", "\x1b[31mred\n", " "]
    assert one["slots"]["c"] == {
        "slot": "c", "state": "empty", "generation": "", "release": "", "rooms": None, "participants": None,
        "unjoined": None, "websockets": None, "since": None, "deadline": None,
    }  # fmt: skip


def pyinfra(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """pyinfra as a program, on two hosts that nobody answers for."""
    hosts = {
        n: {"address": f"127.0.0.{i}", "ssh": {"port": 1, "known_hosts": "/dev/null"}}
        for i, n in ((2, "lk1"), (3, "lk2"))
    }
    hosts["lk1"]["roles"], hosts["lk2"]["roles"] = ["livekit", "redis"], ["livekit"]
    inventory = directory / "gone.py"
    inventory.write_text(
        f"from livekit_metal import load\n\nsite = {{'hosts': {hosts!r}}}\nhosts = load(site, __file__)\n"
    )
    environment = os.environ | {"XDG_CONFIG_HOME": str(directory), "PYINFRA_PROGRESS": "off"}
    return subprocess.run(
        [Path(sys.executable).with_name("pyinfra"), str(inventory), "procedures/status.py", *words],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_hosts_that_nobody_answers_for_are_told_apart_without_a_question(tmp_path: Path) -> None:
    done = pyinfra(tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for name, address in (("lk1", "127.0.0.2"), ("lk2", "127.0.0.3")):
        assert f"hosts.{name}: {address} cannot be reached" in done.stdout


def test_the_json_is_all_that_is_on_standard_output(tmp_path: Path) -> None:
    done = pyinfra(tmp_path, "--data", "json=yes", "--limit", "lk2")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert list(said["hosts"]) == ["lk2"]
    assert said["hosts"]["lk2"]["error"].startswith("hosts.lk2: 127.0.0.3 cannot be reached")
