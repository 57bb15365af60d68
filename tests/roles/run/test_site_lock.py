"""Hosts out of service: one run at a time in a site, and never the last one that serves unless that is meant."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_host

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import StateQuery
from livekit_metal.runtime.run import lock
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots import elsewhere
from livekit_metal.runtime.slots.components import components
from livekit_metal.site import inventory
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.support.hosts.lab import ROOT

Run = Callable[..., FakeRun]
HOSTS = ("lk1", "lk2", "lk3")
OTHER = json.dumps({"who": "bob", "from": "desk", "pid": 8, "since": "noon", "doing": "drain.py"})


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every attempt at a lock (host, file); the answer is "taken"."""
    made: list[tuple[str, str]] = []

    def attempt(at: Host, kind: Any) -> tuple[str, str]:
        made.append((at.name, kind.file))
        return "taken", ""

    monkeypatch.setattr(lock, "_is_real", lambda host: lock.context.ctx_state.get().is_executing)
    monkeypatch.setattr(lock, "_try", attempt)
    # fake_run's hosts are called otherwise when the inventory is made
    monkeypatch.setattr(Inventory, "get_host", lambda self, name: next(h for h in self if h.name == name))
    return made


def drained(log: list[str]) -> Callable[[], None]:
    """A run on lk2 that would take it out of service; lk1 keeps the lock."""

    def declare() -> None:
        if (name := ctx_host.get().name) == "lk2":
            lock.take_site("lk1")
            in_parallel(
                Task("drain", StateQuery(), lambda seen: Plan((Action("act", lambda host: log.append(name)),))), "drain"
            )

    return declare


def test_the_lock_is_on_the_keeper_also_when_it_is_not_in_the_run(fake_run: Run, tries: list[tuple[str, str]]) -> None:
    log: list[str] = []
    fake_run(drained(log), HOSTS)
    assert tries == [("lk1", "/run/livekit-metal.site")]
    assert log == ["lk2"]


def test_a_second_run_is_refused_and_told_of_the_first(
    fake_run: Run, tries: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    monkeypatch.setattr(lock, "_try", lambda at, kind: ("held", OTHER))
    done = fake_run(drained(log), HOSTS)
    assert done.results["lk2"].word == "refused"
    assert "takes a host of this site out of service: bob on desk, process 8 (drain.py)" in done.results["lk2"].why
    assert log == []


def test_the_hosts_of_a_run_do_not_keep_each_other_out(
    fake_run: Run, tries: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def attempt(at: Host, kind: Any) -> tuple[str, str]:
        tries.append((at.name, kind.file))
        gevent.sleep(0.05)  # as long as a host takes to answer, the others go on
        if len(tries) > 1:
            return "held", OTHER
        at.connector_data[kind.key] = "channel"
        return "taken", ""

    monkeypatch.setattr(lock, "_try", attempt)
    done = fake_run(lambda: lock.take_site("lk1"), HOSTS)
    assert not [result.why for result in done.results.values() if result.why]
    assert tries == [("lk1", "/run/livekit-metal.site")]


def test_a_dead_keeper_keeps_nobody_from_his_work(
    fake_run: Run, tries: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(self: Host, **_: Any) -> None:
        raise ConnectError("no route")

    def declare() -> None:  # fake_run itself connects
        monkeypatch.setattr(Host, "connect", dead)
        drained(log)()

    log: list[str] = []
    done = fake_run(declare, HOSTS)
    assert (log, tries) == (["lk2"], [])
    assert any("lk1 cannot be asked" in note for note in done.results["lk2"].notes)


@pytest.mark.parametrize("plan", ["drain", "remove_host"])
def test_who_takes_a_host_out_of_service_has_the_sites_lock_before_it_looks(
    fake_run: Run, tries: list[tuple[str, str]], cluster: Site, monkeypatch: pytest.MonkeyPatch, plan: str
) -> None:
    monkeypatch.setattr(inventory, "_current", [cluster])
    looked: list[int] = []

    def declare() -> None:
        if ctx_host.get().name == "lk2":
            ctx_host.get().data.remove = "lk2"
            runpy.run_path(str(ROOT / f"procedures/{plan}.py"))

    def answer(_host: str, command: str) -> str:
        looked.append(len(tries))
        return "#end"

    fake_run(declare, HOSTS, answer)
    assert tries == [("lk2", "/run/livekit-metal.lock"), ("lk1", "/run/livekit-metal.site")]
    assert looked[0] == 2


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | HostError]:
    """What hosts say of the daemon that is to serve there."""
    answers: dict[str, str | HostError] = {}

    def ask(host: Any, script: str, *args: str, timeout: int) -> str:
        said = answers[host.name]
        if isinstance(said, HostError):
            raise said
        return f"{said}\n"

    monkeypatch.setattr(elsewhere, "read", ask)
    return answers


def here() -> Any:
    connect = lambda **_: None  # noqa: E731
    return SimpleNamespace(inventory=SimpleNamespace(get_host=lambda name: SimpleNamespace(name=name, connect=connect)))


def test_the_last_one_that_serves_is_not_drained_unless_that_is_meant(
    others: dict[str, str | HostError], cluster: Site
) -> None:
    each = components(cluster.for_host("lk2"))["livekit"]
    others |= {"lk1": "takes none", "lk3": HostError("no answer")}
    with pytest.raises(HostError, match=r"no other host serves \(lk1: takes none; lk3: no answer\).*--data alone=yes"):
        elsewhere.need_another(here(), ["lk1", "lk3"], each)
    others["lk3"] = "active"
    elsewhere.need_another(here(), ["lk1", "lk3"], each)


def test_one_that_is_alone_in_the_site_has_nobody_to_ask(cluster: Site) -> None:
    elsewhere.need_another(here(), [], components(cluster.for_host("lk2"))["livekit"])
