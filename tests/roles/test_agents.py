"""What the role agents plans from what it sees, and what a release of a fleet is."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core.errors import SiteError
from livekit_metal.core.slots.decision import GUARD
from livekit_metal.roles.agents import build, status
from livekit_metal.roles.agents.code import Source
from livekit_metal.roles.agents.former import former
from livekit_metal.roles.agents.locks import node as lock_node
from livekit_metal.roles.agents.locks import python as lock_python
from livekit_metal.roles.agents.settings import Fleet, Settings
from livekit_metal.roles.agents.tasks import Agents
from livekit_metal.runtime.artifacts.store import Store
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.support.values.agents import ECHO, ECHO_NODE, talking

Make = Callable[[dict[str, Any]], Site]


@pytest.fixture
def fleet(make_site: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """The echo fleet, of a copy of its code; its packages are made up."""

    def packages(_: str, root: Path, where: Source, arch: str, place: Store) -> Any:
        with place.work("packages") as work:
            (work / "x").write_text((root / "requirements.txt").read_text() + where.version + arch)
            return place.put(work / "x")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_packages", packages)
    shutil.copytree(ECHO, tmp_path / "code")
    site = make_site(talking(echo={"source": {"python": "code"}}, sales={"health": "9620-9622"}))
    return site.for_host("lk1").the(Settings).daemons[0]


@pytest.fixture(autouse=True)
def _each_time_anew() -> None:
    build._bundle.cache_clear()


def seen(active: str = "", **slots: str) -> HostState:
    """A host with ``slots`` given as "ActiveState stamp"."""
    units = {GUARD: {"ActiveState": "active", "UnitFileState": "enabled"}}
    for slot, text in slots.items():
        state, _, stamp = text.partition(" ")
        units[f"livekit-agents-echo@{slot}.service"] = {"ActiveState": state, "Stamp": stamp}
    units["livekit-agents-sales@a.service"] = {"ActiveState": "active", "Stamp": "other"}  # nobody's business here
    answers = {"agents-echo.active": [active] if active else []}
    answers |= {f"agents-echo.{name}": [] for name in ("generations", "releases", "rejected")}
    return HostState(units=units, answers=answers)


def names(fleet: Fleet, found: HostState) -> list[str]:
    daemon = Agents(fleet)
    return [action.name for action in daemon.service(daemon.desired()[1]).plan(daemon.desired()[1], found).actions]


def test_a_worker_is_proved_by_a_job_before_any_other_can_reach_it(fleet: Fleet) -> None:
    steps = names(fleet, seen("a", a="active 0123456789abcdef"))
    order = [next(i for i, step in enumerate(steps) if word in step) for word in ("check", "prove alone", "join", "go")]
    assert order == sorted(order)
    assert steps[-1].endswith("slot a drains")
    assert names(fleet, seen("a", a=f"active {Agents(fleet).desired()[1].name}")) == []


def test_code_lock_python_and_settings_each_make_another_generation(fleet: Fleet) -> None:
    code, found = Path(fleet.directory), []

    def add(which: Fleet = fleet) -> build.Bundle:
        build._bundle.cache_clear()
        artifact, generation, _ = Agents(which).desired()
        assert isinstance(artifact, build.Bundle)
        found.append((generation.release, generation.name))
        return artifact

    first = add()
    assert add().sha256 == first.sha256, "the same files, the same bytes"
    assert found.pop() == found[0]
    (code / "agent.py").write_text((code / "agent.py").read_text() + "\n")
    second = add()
    assert second.packages_id == first.packages_id, "they need not be sent again"
    (code / "requirements.txt").write_text((code / "requirements.txt").read_text() + "# other\n")
    assert add().packages_id != first.packages_id
    add(dataclasses.replace(fleet, source=dataclasses.replace(fleet.source, interpreter="3.13")))
    assert len({release for release, _ in found}) == 4
    add(dataclasses.replace(fleet, environment={"A": "b"}))
    assert found[-1][0] == found[-3][0], "a setting is no other release"
    assert len({name for _, name in found}) == 5
    assert all("/agents-echo/1.8.9-" in release for release, _ in found), "the version is the framework's"


def test_a_secret_that_is_not_there_is_refused_before_anything_is_changed(fleet: Fleet) -> None:
    with pytest.raises(PyinfraError) as refused:
        Agents(dataclasses.replace(fleet, lacks=("agent-KEY",))).desired()
    assert str(refused.value) == (
        "nothing was changed\nagents.echo.secrets: agent-KEY is not among the secrets; store it: "
        "python -m procedures.secrets INVENTORY set agent-KEY"
    )


@pytest.mark.parametrize("language", ["python", "node"])
def test_packages_that_cannot_be_had_are_told_in_the_words_of_whoever_fetches_them(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / {"python": "uv", "node": "npm"}[language]
    program.write_text("#!/bin/sh\nprintf 'npm error \\033[31mno such one\\033[0m\\n' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    monkeypatch.setattr(lock_python, "_program", lambda _: str(program))
    lock, root = (lock_python, ECHO) if language == "python" else (lock_node, ECHO_NODE)
    with pytest.raises(SiteError) as told:
        lock.fetch("agents.echo", Path(root), Source(**{language: root}).version, "amd64", tmp_path)
    said = str(told.value)
    assert said.startswith("agents.echo.source: the ")
    assert " cannot be had for " in said
    assert said.endswith("no such one")


def test_who_is_on_a_slot_is_what_its_worker_says(fleet: Fleet) -> None:
    question = Agents(fleet).query_all
    lines = ["active b", "a state deactivating", "a stamp g", "a sessions 3", "b state active", "b stamp h"]
    found = question.sessions([*lines, "b sessions 0", "end"])
    assert {name: one.sessions for name, one in found.items()} == {"a": 3, "b": 0, "c": None}
    assert question.count([*lines, "b sessions 2", "end"]) == 5
    with pytest.raises(HostError):
        question.sessions(lines)


def test_status_says_how_many_jobs_a_fleet_has_lost(fleet: Fleet) -> None:
    own = Settings(fleets={"echo": fleet})
    (name, _), *_ = status.needs(own).queries

    def said(*lines: str) -> str:
        return status.line(own, HostState(answers={name: ["active b", "a state deactivating", *lines, "end"]}))

    assert said("a sessions 3", "a lost 0", "b state active", "b lost 0") == ""
    found = said("a lost 2", "a again 1", "b state active", "b sessions 1", "b lost 1")
    assert found.startswith("agents: agents-echo has lost 3 jobs since its workers began (1 dispatched again); ")


def test_a_fleet_that_the_site_no_longer_has_drains_and_then_goes(fleet: Fleet) -> None:
    told = {name: getattr(fleet, name) for name in ("active", "config_root", "release_root", "refresh")}

    def planned(**slots: str) -> list[list[str]]:
        found = seen("a" if slots else "", **slots)
        found.answers["agents.fleets"] = ["echo", "sales"]
        later = former(["sales"], told).tasks(found)
        return [[action.name for action in task.plan(found).actions] for task in later]

    assert planned(a="active 0123456789abcdef") == [["new sessions go to other hosts, slot a drains"], []]
    assert planned() == [[], ["remove what is left of it"]]
