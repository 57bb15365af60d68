"""Hosts in waves: who goes with whom, and that nobody goes after a failure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import gevent
import pytest
from pyinfra.api import Config

from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.wave import Wave
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import waves as module
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.run.waves import Rules, Serving, observe, waves
from livekit_metal.site.rollout import Rollout
from tests.roles.conftest import FakeRun

Run = Callable[..., FakeRun]
TEN = tuple(f"lk{number}" for number in range(1, 11))


def rules(wave: str = "3", *, canary: int = 1, alone: Collection[str] = (), pause: int = 0) -> Rules:
    return Rules(Rollout(canary=canary, wave=Wave(wave), pause=Duration(pause)), frozenset(alone))


def all_serving(hosts: Collection[str] = TEN, **others: Collection[str]) -> dict[str, Serving]:
    """livekit on every host, and other roles on those that are named."""
    roles = {host: {"livekit", *(role for role, at in others.items() if host in at)} for host in hosts}
    return {host: Serving(frozenset(found), occupied=True) for host, found in roles.items()}


def test_after_the_canary_hosts_go_in_waves_in_the_order_of_the_inventory() -> None:
    found = waves(TEN, rules(), all_serving())
    assert found == (("lk1",), ("lk2", "lk3", "lk4"), ("lk5", "lk6", "lk7"), ("lk8", "lk9", "lk10"))


def test_a_share_is_of_the_hosts_of_the_run() -> None:
    assert [len(wave) for wave in waves(TEN, rules("25%", canary=2), all_serving())] == [1, 1, 2, 2, 2, 2]
    assert [len(wave) for wave in waves(TEN, rules("1%"), all_serving())] == [1] * 10


def test_whoever_is_alone_goes_with_nobody() -> None:
    found = waves(TEN, rules("4", alone={"lk6"}), all_serving())
    assert found == (("lk1",), ("lk2", "lk3", "lk4", "lk5"), ("lk6",), ("lk7", "lk8", "lk9", "lk10"))


def test_no_wave_has_every_host_that_serves_a_role() -> None:
    found = waves(TEN, rules("9"), all_serving(egress=("lk3", "lk5"), sip=("lk8",)))
    assert found == (("lk1",), ("lk2", "lk3", "lk4"), ("lk5", "lk6", "lk7"), ("lk8",), ("lk9", "lk10"))


def test_a_host_that_does_not_serve_does_not_count_as_the_one_that_is_left() -> None:
    """lk4 is in maintenance, or new: with lk2 and lk3 in one wave nobody would be left."""
    serving = all_serving(("lk2", "lk3")) | {"lk1": Serving(), "lk4": Serving()}
    assert waves(("lk1", "lk2", "lk3", "lk4"), rules(), serving) == (("lk1",), ("lk2",), ("lk3", "lk4"))


def test_a_first_deploy_goes_all_at_once_after_the_canary() -> None:
    nobody = dict.fromkeys(TEN, Serving())
    assert waves(TEN, rules("2", alone={"lk1", "lk5"}), nobody) == (("lk1",), TEN[1:])
    drains = nobody | {"lk9": Serving(occupied=True)}
    assert len(waves(TEN, rules("2"), drains)) > 2, "somebody is there"


class Log:
    """What tasks did, in order, and who was at it meanwhile."""

    def __init__(self, *, fails_on: str = "") -> None:
        self.fails_on, self.did, self.inside = fails_on, [], set[str]()
        self.together: set[frozenset[str]] = set()

    def task(self, name: str) -> Task:
        def act(host: object) -> None:
            at: str = host.name  # type: ignore[attr-defined]
            self.inside.add(at)
            gevent.sleep(0.01)
            self.together.add(frozenset(self.inside))
            self.inside.remove(at)
            self.did.append(f"{name} {at}")
            if at == self.fails_on:
                raise HostError("it is broken; mend it")

        return Task(name, StateQuery(queries=((name, "true"),)), lambda _: Plan((Action("act", act),), "changed"))


def declare(log: Log, wanted: Rules, serving: Mapping[str, Serving]) -> Callable[[], None]:
    def declared() -> None:
        name = module.context.ctx_host.get().name
        observe(StateQuery(), lambda _seen: serving[name])
        one_by_one("ground", log.task("one"), rules=wanted)
        one_by_one("services", log.task("two"), rules=wanted)

    return declared


def test_hosts_of_a_wave_are_changed_at_once_and_no_others(fake_run: Run) -> None:
    log = Log()
    done = fake_run(declare(log, rules(), all_serving()), TEN)
    assert {result.word for result in done.results.values()} == {"done"}
    assert max(log.together, key=len) in map(frozenset, waves(TEN, rules(), all_serving()))
    assert all(any(found <= set(wave) for wave in waves(TEN, rules(), all_serving())) for found in log.together)
    assert {len(found) for found in log.together} >= {1, 3}
    assert [said.split()[0] for said in log.did] == ["one"] * 10 + ["two"] * 10, "a turn is over before the next"


def test_a_failure_stops_the_next_wave(fake_run: Run) -> None:
    log = Log(fails_on="lk6")
    done = fake_run(declare(log, rules(), all_serving()), TEN)
    assert done.failed
    assert {said.partition(" ")[2] for said in log.did} == set(TEN[:7]), "its own wave goes on to its end"
    words = {name: result.word for name, result in done.results.items()}
    assert words == dict.fromkeys(TEN, "untouched") | {"lk6": "failed"}
    assert done.results["lk7"].why == "stopped before services"
    assert done.results["lk8"].why == ""


def test_a_canary_that_fails_is_the_only_one(fake_run: Run) -> None:
    log = Log(fails_on="lk1")
    assert fake_run(declare(log, rules("100%"), all_serving()), TEN).failed
    assert log.did == ["one lk1"]


def test_fewer_at_once_than_a_wave_has_is_no_deadlock(fake_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyinfra takes as many hosts at once as it likes."""
    monkeypatch.setattr("tests.roles.conftest.Config", lambda **given: Config(PARALLEL=2, **given))
    log = Log()
    done = fake_run(declare(log, rules("9"), all_serving()), TEN)
    assert {result.word for result in done.results.values()} == {"done"}
    assert max(map(len, log.together)) == 2


def test_there_is_a_pause_after_a_wave_that_changed_something(fake_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = gevent.sleep
    monkeypatch.setattr(module.gevent, "sleep", lambda seconds: (seconds > 1 and pauses.append(seconds), sleep(0.01)))
    fake_run(declare(Log(), rules(pause=90), all_serving()), TEN)
    assert pauses == [90] * 6, "three after the four waves of each turn, none after the last"
    pauses.clear()
    fake_run(declare(Log(fails_on="lk3"), rules(pause=90), all_serving()), TEN)
    assert pauses == [90], "none where nobody follows"
    pauses.clear()
    fake_run(lambda: one_by_one("all", Task("one", StateQuery(), lambda _: Plan()), rules=rules(pause=90)), TEN)
    assert pauses == []


def test_a_pause_is_kept_between_single_hosts_too(fake_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = gevent.sleep
    monkeypatch.setattr(module.gevent, "sleep", lambda seconds: (seconds > 1 and pauses.append(seconds), sleep(0.01)))
    log = Log()
    fake_run(lambda: one_by_one("all", log.task("one"), rules=rules("1", pause=60)), TEN[:3])
    assert pauses == [60, 60]
    assert log.did == ["one lk1", "one lk2", "one lk3"]


def test_a_host_that_cannot_be_looked_at_stops_its_wave(fake_run: Run) -> None:
    """And nobody waits for it for ever."""
    log = Log()

    def broken(seen: HostState) -> Plan:
        raise HostError("no slot is empty; wait")

    def declared() -> None:
        name = module.context.ctx_host.get().name
        observe(StateQuery(), lambda _seen: all_serving()[name])
        task = Task("livekit", StateQuery(), broken) if name == "lk3" else log.task("one")
        one_by_one("all", task, rules=rules())

    done = fake_run(declared, TEN)
    assert done.failed
    assert done.results["lk3"].word == "failed"
    assert {said.partition(" ")[2] for said in log.did} == {"lk1", "lk2", "lk4"}


def test_a_plan_says_what_each_host_would_do_and_waits_for_nobody(fake_run: Run) -> None:
    log = Log()
    done = fake_run(declare(log, rules(), all_serving()), TEN, plans=True)
    assert {result.word for result in done.results.values()} == {"done"}
