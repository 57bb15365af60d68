"""Stages and turns: order, the first failure stops the rest, one look per host, what the last table says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from pyinfra.context import ctx_host

from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Action, DeferredTask, Plan, Task
from tests.roles.conftest import FakeRun

Run = Callable[..., FakeRun]
HOSTS = ("lk3", "lk1", "lk2")  # not sorted: the order is the inventory's


def part(name: str, log: list[str], *, fails_on: str = "", wanted: bool = False) -> Task:
    def act(host: object) -> None:
        log.append(f"{name} {host.name}")  # type: ignore[attr-defined]
        if host.name == fails_on:  # type: ignore[attr-defined]
            raise HostError("it is broken; mend it")
        run(host, f"change {name}")  # type: ignore[arg-type]

    def plan(_seen: HostState) -> Plan:
        return Plan() if wanted else Plan((Action("act", act),), summary="changed")

    return Task(name, StateQuery(queries=((name, "true"),)), plan)


def test_a_turn_takes_whole_hosts_in_the_order_of_the_inventory(fake_run: Run) -> None:
    log: list[str] = []
    done = fake_run(lambda: one_by_one("all", part("one", log), part("two", log)), HOSTS)
    assert log == ["one lk3", "two lk3", "one lk1", "two lk1", "one lk2", "two lk2"]
    assert {r.word for r in done.results.values()} == {"done"}


def test_the_first_failure_leaves_the_rest_untouched(fake_run: Run) -> None:
    log: list[str] = []

    def declare() -> None:
        one_by_one("ground", part("one", log, fails_on="lk1"))
        one_by_one("services", part("two", log))

    done = fake_run(declare, HOSTS)
    assert log == ["one lk3", "one lk1"]
    assert {n: r.word for n, r in done.results.items()} == {"lk3": "untouched", "lk1": "failed", "lk2": "untouched"}
    assert done.results["lk3"].why == "stopped before services"
    assert done.results["lk1"].why == "one: act: it is broken; mend it"
    assert done.failed


def test_a_host_that_was_only_prepared_is_not_called_done(fake_run: Run) -> None:
    """The canary fails in the last turn: the others have been prepared, and their first turn had nothing to do."""
    log: list[str] = []

    def declare() -> None:
        in_parallel(part("prepare", log), "prepare")
        one_by_one("ground", part("one", log, wanted=True))
        one_by_one("services", part("two", log, fails_on="lk3"))

    done = fake_run(declare, HOSTS)
    assert {n: r.word for n, r in done.results.items()} == {"lk3": "failed", "lk1": "untouched", "lk2": "untouched"}


def test_a_refusal_while_planning_still_fails_the_run(fake_run: Run) -> None:
    """Without -y pyinfra plans first: what is refused then must be refused again, and other hosts not told lies."""

    def refuse(_seen: HostState) -> Plan:
        raise HostError("no slot is empty; wait")

    log: list[str] = []

    def declare() -> None:
        refused = ctx_host.get().name == "lk1"
        one_by_one("all", Task("livekit", StateQuery(), refuse) if refused else part("one", log))

    done = fake_run(declare, HOSTS, plans=True)
    assert done.failed
    assert {n: r.word for n, r in done.results.items()} == {"lk3": "done", "lk1": "failed", "lk2": "untouched"}
    assert log == ["one lk3"]


def test_a_plan_says_every_step_once_and_leaves_no_note(fake_run: Run, caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    with caplog.at_level("INFO", logger="pyinfra"):
        done = fake_run(lambda: one_by_one("all", part("one", log)), ("lk1",), plans=True)
    assert caplog.text.count("one would: act") == 1
    assert done.results["lk1"].summaries == ["one changed"]


def test_undo_runs_once_when_a_step_failed(fake_run: Run) -> None:
    undone: list[str] = []

    def fail(host: object) -> None:
        raise HostError("no")

    todo = Plan((Action("act", fail),), undo=lambda host: undone.append(host.name))
    fake_run(lambda: one_by_one("all", Task("one", StateQuery(), lambda seen: todo)), ("lk1",))
    assert undone == ["lk1"]


def test_a_host_as_wanted_is_looked_at_once_and_not_changed(fake_run: Run) -> None:
    log: list[str] = []

    def declare() -> None:
        in_parallel(part("a", log, wanted=True), "stage")
        one_by_one("one", part("b", log, wanted=True))
        one_by_one("two", part("c", log, wanted=True))

    done = fake_run(declare, HOSTS)
    assert {h: len(c) for h, c in done.commands.items()} == dict.fromkeys(HOSTS, 1)
    assert {r.word for r in done.results.values()} == {"unchanged"}


def test_a_look_is_taken_again_after_a_change(fake_run: Run) -> None:
    log: list[str] = []

    def declare() -> None:
        in_parallel(part("a", log), "stage")
        one_by_one("one", part("b", log, wanted=True))

    done = fake_run(declare, ("lk1",))
    looks = [c for c in done.commands["lk1"] if "sh -s" in c]
    assert len(looks) == 2


def test_changing_commands_hold_the_work_lock(fake_run: Run) -> None:
    done = fake_run(lambda: in_parallel(part("a", []), "stage"), ("lk1",))
    (change,) = [c for c in done.commands["lk1"] if "change a" in c]
    assert "flock -s " in change
    assert " sh /run/livekit-metal.work 60 'change a'" in change


def test_a_look_that_is_not_whole_fails_its_host_without_a_traceback(fake_run: Run) -> None:
    done = fake_run(lambda: in_parallel(part("a", []), "stage"), ("lk1",), lambda host, command: "#files")
    assert done.results["lk1"].word == "failed"
    assert "the host's answer is incomplete" in done.results["lk1"].why


def test_hosts_out_of_order_are_refused(fake_run: Run) -> None:
    """Without config.py's order a turn would start anywhere: it notices."""
    log: list[str] = []

    def declare() -> None:
        one_by_one("all", part("one", log))
        found = __import__("livekit_metal.runtime.run.report", fromlist=["results"]).results()
        if ctx_host.get().name == "lk2":
            found.order.reverse()

    assert fake_run(declare, HOSTS).failed
    assert log == []


def test_parts_that_depend_on_what_was_seen_are_named_then(fake_run: Run) -> None:
    log: list[str] = []
    later = DeferredTask(
        StateQuery(queries=(("which", "true"),)), lambda seen: tuple(part(n, log) for n in seen.answers["which"])
    )
    looks: list[str] = []

    def answer(_host: str, command: str) -> str:
        if "sh -s" not in command:
            return ""
        looks.append(command)
        return "#probe which\nfirst\nsecond\n#probe first\n#probe second\n#end"

    done = fake_run(lambda: one_by_one("all", later), ("lk1",), answer)
    assert log == ["first lk1", "second lk1"]
    assert done.results["lk1"].word == "done"


def test_a_turn_ends_with_how_things_are_then(fake_run: Run) -> None:
    answers = iter(["before", "after", "after"])

    def answer(_host: str, command: str) -> str:
        return f"#probe one\n{next(answers)}\n#end" if "sh -s" in command else ""

    told = dataclasses.replace(part("one", []), closing=lambda seen: tuple(seen.answers["one"]))
    done = fake_run(lambda: one_by_one("all", told), ("lk1",), answer)
    assert done.results["lk1"].notes == ["one: after"]


def test_a_host_in_maintenance_takes_no_turn(fake_run: Run) -> None:
    log: list[str] = []
    marker = '{"who": "ada@desk", "since": "noon", "why": "power"}'

    def answer(host: str, command: str) -> str:
        if "sh -s" not in command:
            return ""
        return f"#probe maintenance\n{marker if host == 'lk1' else ''}\n#probe one\n#end"

    done = fake_run(lambda: one_by_one("all", part("one", log), marker="/etc/x/maintenance"), HOSTS, answer)
    assert log == ["one lk3", "one lk2"]
    assert done.results["lk1"].word == "untouched"
    assert done.results["lk1"].why == "in maintenance since noon (ada@desk: power); prepared only"
