"""The audit log: what a run leaves on a host about itself, written by a real shell where that matters."""

from __future__ import annotations

import calendar
import json
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.records import AUDIT
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import audit
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Action, Plan, Task
from tests.roles.conftest import FakeRun

Run = Callable[..., FakeRun]


def part(*steps: Action, summary: str = "1.13.4 -> 1.13.5 on slot b", undo: Any = None) -> Task:
    return Task("livekit", StateQuery(), lambda seen: Plan(steps, summary, undo=undo))


def good(name: str = "act") -> Action:
    return Action(name, lambda host: run(host, f"change {name}"))


def _fail(host: object) -> None:
    raise HostError("it is broken\nand this is why")


def lines(done: FakeRun, host: str = "lk1") -> list[dict[str, str]]:
    """What was to be added to the log, without the time, which the host adds."""
    words = [shlex.split(command) for command in done.commands[host] if AUDIT in command]
    return [json.loads("{" + command[-1]) for command in words]


def test_a_change_has_a_line_when_it_begins_and_one_when_it_ends(
    fake_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit.lock, "operator", lambda: ("anna", "laptop"))
    done = fake_run(lambda: one_by_one("all", part(good())))
    began, ended = lines(done)
    assert began == {
        "who": "anna@laptop",
        "procedure": "",
        "role": "livekit",
        "what": "1.13.4 -> 1.13.5 on slot b",
        "result": "began",
    }
    assert ended == began | {"result": "done"}
    order = [c for c in done.commands["lk1"] if AUDIT in c or "change act" in c]
    assert "change act" in order[1], "the first line is there before anything is done"


def test_preparation_is_a_change_too_and_names_its_steps(fake_run: Run) -> None:
    done = fake_run(lambda: in_parallel(part(good("push it"), good("write that"), summary=""), "prepare"))
    assert [(line["what"], line["result"]) for line in lines(done)] == [
        ("push it, write that", "began"),
        ("push it, write that", "done"),
    ]


def test_a_failure_says_where_and_why_in_one_line_before_it_is_undone(fake_run: Run) -> None:
    undo = lambda host: run(host, "change back")  # noqa: E731
    done = fake_run(lambda: one_by_one("all", part(good(), Action("start", _fail), undo=undo)))
    assert [line["result"] for line in lines(done)] == ["began", "failed: start: it is broken"]
    assert "change back" in done.commands["lk1"][-1]


def test_a_host_as_wanted_costs_no_line_and_a_plan_neither(fake_run: Run) -> None:
    assert lines(fake_run(lambda: one_by_one("all", part()))) == []
    planned = fake_run(lambda: one_by_one("all", part(good())), plans=True)
    assert len(lines(planned)) == 2, "of the execution that came after the plan"


def test_a_refusal_is_no_change(fake_run: Run) -> None:
    def refuse(seen: HostState) -> Plan:
        raise HostError("no slot is empty; wait")

    assert lines(fake_run(lambda: in_parallel(Task("livekit", StateQuery(), refuse), "prepare"))) == []


def test_a_log_that_cannot_be_written_stops_nothing(fake_run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def answer(host: str, command: str) -> str | None:
        return None if AUDIT in command else "#end" if "sh -s" in command else ""

    with caplog.at_level("INFO", logger="pyinfra"):
        done = fake_run(lambda: one_by_one("all", part(good())), ("lk1",), answer)
    assert done.results["lk1"].word == "done"
    assert caplog.text.count(f"audit: nothing was added to {AUDIT}") == 2


def test_a_line_stays_below_a_kilobyte(fake_run: Run) -> None:
    def fail(host: object) -> None:
        raise HostError("x" * 5000)

    done = fake_run(lambda: one_by_one("all", part(Action("y" * 5000, fail), summary="")))
    assert max(len(json.dumps(line)) for line in lines(done)) < 1000


def written(file: Path, rest: str) -> None:
    """The end of a task."""
    words = (str(file), str(file.parent / "login"), "", rest)
    subprocess.run(["sh", "-c", audit._APPEND, "sh", *words], check=True)


def test_a_line_on_disk_is_json_with_the_hosts_time(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    file.touch()
    for what in ('a "quoted" % \\n thing', "b"):
        written(file, json.dumps({"what": what})[1:])
    first, second = map(json.loads, file.read_text().splitlines())
    assert (first["what"], second["what"]) == ('a "quoted" % \\n thing', "b")
    assert abs(calendar.timegm(time.strptime(first["when"], "%Y-%m-%d %H:%M:%SZ")) - time.time()) < 3600


def test_an_end_does_not_make_a_log_that_a_removal_has_taken_away(tmp_path: Path) -> None:
    written(tmp_path / "log" / "audit.log", '"what": "removed"}')
    assert list(tmp_path.iterdir()) == []
