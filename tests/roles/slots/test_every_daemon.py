"""What a deploy plans about any daemon in slots, from what it sees. What one daemon has besides: test_ROLE.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.slots.decision import GUARD
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from tests.roles.failing import fails
from tests.roles.wanted import names
from tests.support.hosts.local_host import local_host

Slotted = SlottedDaemon[Any]


@pytest.fixture
def wanted(daemon: Slotted) -> Generation:
    return daemon.desired()[1]


def host(daemon: Slotted, active: str = "", **slots: str) -> HostState:
    """A host with slots given as "ActiveState generation", by their place in the site's list."""
    units = {GUARD: {"ActiveState": "active", "UnitFileState": "enabled"}}
    for place, text in slots.items():
        state, _, generation = text.partition(" ")
        slot = daemon.settings.slots["abc".index(place)]
        units[daemon.settings.unit.format(slot)] = {"ActiveState": state, "Stamp": generation}
    answers: dict[str, list[str]] = {name: [] for name, _ in daemon.activate().needs.queries}
    answers[f"{daemon.role}.active"] = [daemon.settings.slots["abc".index(active)]] if active else []
    answers[daemon.question.name] = ["only draining", "end"]
    return HostState(units=units, answers=answers)


def plan(daemon: Slotted, seen: HostState) -> list[str]:
    return names(daemon.activate().plan(seen))


def starts(daemon: Slotted, slot: str, wanted: Generation) -> list[str]:
    """The way of an empty slot to the point where sessions may reach it."""
    alone = [
        f"slot {slot}: point to {wanted.name} alone",
        f"slot {slot}: start alone",
        f"slot {slot}: prove alone",
        f"slot {slot}: end the proof",
    ]
    return [
        f"slot {slot}: check {wanted.name}",
        *(alone if daemon.proof.proves_alone else ()),
        f"slot {slot}: point to {wanted.name}",
        f"slot {slot}: join",
        f"slot {slot}: ready",
    ]


def test_a_fresh_host_gets_its_first_slot_and_nothing_is_drained(daemon: Slotted, wanted: Generation) -> None:
    first = daemon.settings.slots[0]
    assert plan(daemon, host(daemon)) == [*starts(daemon, first, wanted), f"slot {first}: new sessions go here"]


def test_a_host_as_wanted_is_left_alone(daemon: Slotted, wanted: Generation) -> None:
    assert plan(daemon, host(daemon, "a", a=f"active {wanted.name}")) == []


def test_a_change_starts_beside_and_drains_the_old_slot_last(daemon: Slotted, wanted: Generation) -> None:
    _, old, new = daemon.settings.slots
    steps = plan(daemon, host(daemon, "b", b="active old"))
    assert steps == [*starts(daemon, new, wanted), f"slot {new}: new sessions go here, slot {old} drains"]


def test_a_candidate_that_fails_is_drained_and_the_old_slot_serves_on(
    daemon: Slotted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = daemon.activate().plan(host(daemon, "a", a="active old"))
    fails(local_host(tmp_path, monkeypatch), daemon.service(), found)


def test_a_deploy_killed_between_start_and_hand_over_is_taken_up(daemon: Slotted, wanted: Generation) -> None:
    old, new, _ = daemon.settings.slots
    seen = host(daemon, "a", a="active old", b=f"active {wanted.name}")
    assert plan(daemon, seen) == [f"slot {new}: ready", f"slot {new}: new sessions go here, slot {old} drains"]


def test_a_deploy_killed_between_hand_over_and_drain_is_taken_up(daemon: Slotted, wanted: Generation) -> None:
    old, *_ = daemon.settings.slots
    assert plan(daemon, host(daemon, "b", a="active old", b=f"active {wanted.name}")) == [f"slot {old} drains"]


def test_no_empty_slot_is_refused_with_who_is_where(daemon: Slotted) -> None:
    a, b, c = daemon.settings.slots
    with pytest.raises(HostError, match=f"{a}: draining one, {b}: draining two, {c}: running three"):
        plan(daemon, host(daemon, "c", a="deactivating one", b="deactivating two", c="active three"))


def test_reboots_are_guarded_before_anything_can_drain(daemon: Slotted) -> None:
    seen = host(daemon, "a", a="active old")
    del seen.units[GUARD]
    assert plan(daemon, seen)[0] == "guard reboots"


def test_a_host_that_is_retired_serves_with_no_slot(daemon: Slotted) -> None:
    found = daemon.retire().plan(host(daemon, "a", a="active old"))
    slot = daemon.settings.slots[0]
    assert names(found) == [f"new sessions go to other hosts, slot {slot} drains"]
    assert found.summary == f"out of service, slot {slot} drains"


def test_what_was_rolled_back_is_not_deployed_again_unasked(daemon: Slotted, wanted: Generation) -> None:
    task = daemon.preparation((), accept_skip=False)
    seen = host(daemon)
    seen.answers |= {name: [] for name, _ in task.needs.queries if name not in seen.answers}
    seen.answers[f"{daemon.role}.rejected"] = [f'{wanted.name} {{"who": "ann", "when": "today", "why": "no sound"}}']
    with pytest.raises(HostError, match=rf"was rolled back by ann at today: no sound; .*--data accept={wanted.name}"):
        task.plan(seen)
    accepted = daemon.preparation((wanted.name,), accept_skip=False).plan(seen)
    assert "accept what was rolled back" in names(accepted)


def test_a_slot_that_drains_is_told_with_its_name(daemon: Slotted) -> None:
    slot = daemon.settings.slots[0]
    lines = ["only draining", f"{slot} state deactivating", f"{slot} stamp g", "end"]
    (words,) = daemon.describe(lines)
    assert words.startswith(f"slot {slot} drains: "), "who is on it is not known"
    assert daemon.count(lines) == 0


def test_a_generation_is_named_by_all_that_a_slot_would_run(daemon: Slotted) -> None:
    def name(release: str = "/opt/x/1.2.3-abc", **changed: Any) -> str:
        return daemon.having(**changed).generation(release)[0].name

    assert name() == name()
    assert name("/opt/x/1.2.4-abc") != name()
    keys = {"APIother": next(iter(daemon.settings.api_keys.values()))}
    redis = dataclasses.replace(daemon.settings.redis, address="192.0.2.77:6379")
    for changed in ({"log_level": "debug"}, {"memory": 2**30}, {"api_keys": keys}, {"redis": redis}):
        assert name(**changed) != name(), changed
    assert name(arch="arm64") == name(), "the release has the architecture already"
