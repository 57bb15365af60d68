"""What the livekit role plans from what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.slots.decision import GUARD, Refresh
from livekit_metal.roles.livekit import tasks
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.artifacts import fetch, push
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Plan
from livekit_metal.runtime.slots.components import components
from livekit_metal.site.model import HostStack
from tests.roles.conftest import SHA, FakeRun


def host(
    active: str = "", generations: tuple[str, ...] = (), releases: tuple[str, ...] = (), **slots: str
) -> HostState:
    """A host with ``slots`` given as "ActiveState generation"."""
    units = {GUARD: {"ActiveState": "active", "UnitFileState": "enabled"}}
    for slot, text in slots.items():
        state, _, generation = text.partition(" ")
        units[Settings.unit.format(slot)] = {"ActiveState": state, "Stamp": generation}
    probes = {
        "livekit.active": [active] if active else [],
        "livekit.generations": list(generations),
        "livekit.releases": list(releases),
        "runner.there": [],
    }
    return HostState(units=units, answers=probes)


def plan(livekit: Settings, seen: HostState) -> Plan:
    return tasks.Livekit(livekit).activate().plan(seen)


def starts(slot: str, wanted: Generation) -> list[str]:
    """The way of an empty slot to the point where it may serve."""
    return [
        f"slot {slot}: check {wanted.name}",
        f"slot {slot}: point to {wanted.name} alone",
        f"slot {slot}: start alone",
        f"slot {slot}: prove alone",
        f"slot {slot}: end the proof",
        f"slot {slot}: point to {wanted.name}",
        f"slot {slot}: join",
        f"slot {slot}: ready",
    ]


def names(todo: Plan) -> list[str]:
    return [step.name for step in todo.actions]


def test_a_host_as_wanted_is_left_alone(livekit: Settings, wanted: Generation) -> None:
    todo = plan(livekit, host("a", a=f"active {wanted.name}"))
    assert todo.actions == ()
    assert todo.summary == f"1.13.7-{SHA[:12]} on slot a"


def test_a_change_starts_beside_and_drains_the_old_slot_last(livekit: Settings, wanted: Generation) -> None:
    todo = plan(livekit, host("b", ("old /opt/livekit/livekit-server/1.13.4-old 100",), b="active old"))
    assert names(todo) == [*starts("c", wanted), "slot c: new sessions go here, slot b drains"]
    assert todo.summary == f"1.13.4-old -> 1.13.7-{SHA[:12]} on slot c"
    same = host("b", (f"old {wanted.release} 100",), b="active old")
    assert plan(livekit, same).summary == f"1.13.7-{SHA[:12]} with another configuration on slot c"


def test_a_deploy_killed_while_the_candidate_was_alone_starts_it_anew(livekit: Settings, wanted: Generation) -> None:
    todo = plan(livekit, host("a", a="active old", b=f"active {wanted.name}~alone"))
    assert names(todo)[0] == "slot b: end a proof that was cut short"
    assert names(todo)[1:-1] == starts("b", wanted)


def test_a_proof_that_was_cut_short_is_ended_also_when_nothing_else_changes(
    livekit: Settings, wanted: Generation
) -> None:
    todo = plan(livekit, host("a", a=f"active {wanted.name}", b="deactivating other~alone"))
    assert names(todo) == ["slot b: end a proof that was cut short"]
    assert todo.undo is None


def stale(active: str, *replaced: str, **slots: str) -> HostState:
    """A host where a library of the slots ``replaced`` was updated."""
    seen = host(active, **slots)
    for number, slot in enumerate(slots):
        seen.units[Settings.unit.format(slot)]["MainPID"] = str(number)
    seen.answers["old-code"] = [f"{Settings.unit.format(s)} {[*slots].index(s)} /usr/lib/libc.so.6" for s in replaced]
    return seen


def test_old_code_is_told_and_gets_a_new_process_when_asked(livekit: Settings, wanted: Generation) -> None:
    asked = dataclasses.replace(livekit, refresh=Refresh.ASKED)
    seen = stale("a", "a", a=f"active {wanted.name}", b="inactive")
    seen.answers["livekit.generations"] = [f"{wanted.name} {wanted.release} 100"]
    todo = plan(livekit, seen)
    assert todo.actions == ()
    (note,) = todo.notes
    assert note.startswith("slot a runs old code (libc.so.6 was replaced since it started); deploy with --data refresh")
    todo = plan(asked, seen)
    assert names(todo) == [*starts("b", wanted), "slot b: new sessions go here, slot a drains"]
    assert (todo.summary, todo.notes) == (f"1.13.7-{SHA[:12]} in a new process on slot b", ())
    after = stale("b", "a", a=f"deactivating {wanted.name}", b=f"active {wanted.name}")
    assert (plan(asked, after).actions, plan(asked, after).notes) == ((), ())
    killed = stale("a", "a", a=f"active {wanted.name}", b=f"active {wanted.name}")
    for each in (asked, livekit):
        assert names(plan(each, killed)) == ["slot b: ready", "slot b: new sessions go here, slot a drains"]


def test_a_refresh_needs_an_empty_slot(livekit: Settings, wanted: Generation) -> None:
    """One that was asked for is refused; the site's own wish waits and keeps no deploy from being made."""
    seen = stale("c", "c", a="deactivating one", b="deactivating two", c=f"active {wanted.name}")
    with pytest.raises(HostError, match="no slot is empty"):
        plan(dataclasses.replace(livekit, refresh=Refresh.ASKED), seen)
    todo = plan(dataclasses.replace(livekit, refresh=Refresh.EMPTY), seen)
    assert todo.actions == ()
    assert "a deploy after a drain gives it a new process" in todo.notes[0]


def test_what_the_site_wants_reaches_every_daemon_in_slots(site_data: dict[str, Any], make_site: Any) -> None:
    site = make_site(site_data)
    assert {each.refresh for each in slotted(site.for_host("lk1"))} == {Refresh.NO}
    assert {each.refresh for each in slotted(site.for_host("lk1", refresh=True))} == {Refresh.ASKED}
    site_data["base"] = {**site_data.get("base", {}), "refresh_slots": True}
    assert {each.refresh for each in slotted(make_site(site_data).for_host("lk1"))} == {Refresh.EMPTY}


def slotted(stack: HostStack) -> list[Any]:
    return [each.settings for each in components(stack).values()]


def test_a_slot_that_serves_is_known_even_when_the_site_no_longer_has_it(livekit: Settings, wanted: Generation) -> None:
    todo = plan(livekit, host("z", z="active old"))
    assert names(todo)[-1] == "slot a: new sessions go here, slot z drains"


def test_a_change_prunes_all_but_what_is_used_and_two_more(livekit: Settings, wanted: Generation) -> None:
    directory = "/opt/livekit/livekit-server"
    listed = tuple(
        f"{g} {directory}/{r} {served}"
        for g, r, served in [("new", "n", 0), ("old", "o", 90), ("g1", "1", 0), ("g2", "2", 80), ("g3", "3", 70)]
    )
    releases = tuple(f"{directory}/{r}" for r in ("n", "o", "1", "2", "3"))
    todo = plan(livekit, host("a", listed, releases, a="active old"))
    # g2 and g3 have served and are what a rollback goes to; g1 never did, and nothing refers to new
    assert names(todo)[-1] == "prune 2 generations, 2 releases"
    again = plan(livekit, host("b", listed, releases, b=f"active {wanted.name}"))
    assert again.actions == (), "nothing to change: nothing to prune"


def test_what_serves_already_is_not_given_up_when_something_fails(livekit: Settings) -> None:
    assert plan(livekit, host("b", a="active old", b=f"active {tasks.Livekit(livekit).desired()[1].name}")).undo is None


def bare(_host: str, command: str) -> str:
    """What a host says on which nothing was deployed."""
    probes = "".join(f"#probe {each}\n" for each in ("livekit.active", "livekit.generations", "runner.there"))
    return f"{probes}#probe livekit.releases\n#end" if "sh -s" in command else ""


def test_a_run_prepares_release_and_generation_in_parallel(fake_run: Callable[..., FakeRun], livekit: Settings) -> None:
    done = fake_run(lambda: tasks.Livekit(livekit).prepare(), ("lk1", "lk2"), bare)
    for host_name in ("lk1", "lk2"):  # @fake has no SSH: the push says so, before anything else happens
        assert "releases are pushed over SSH only" in done.results[host_name].why


def test_a_program_that_was_changed_in_the_cache_reaches_no_host(
    fake_run: Callable[..., FakeRun], livekit: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "verify", fetch.verify)
    program = tasks.Livekit(livekit).desired()[0].path
    done = fake_run(lambda: tasks.Livekit(livekit).prepare(), ("lk1",), bare)
    assert "was removed; run the deploy again, it is fetched again" in done.results["lk1"].why
    assert not program.exists()


def test_files_of_a_generation_are_written_once(
    fake_run: Callable[..., FakeRun], livekit: Settings, wanted: Generation
) -> None:
    empty = "#probe livekit.active\n#probe livekit.generations\n#probe runner.there\n"
    there = f"{empty}#probe livekit.releases\n{wanted.release}\n#end"
    done = fake_run(lambda: tasks.Livekit(livekit).prepare(), ("lk1",), lambda _h, c: there if "sh -s" in c else "")
    (write,) = [c for c in done.commands["lk1"] if "base64 -d" in c]
    assert f"{wanted.directory}/keys.yaml" in write
    assert all(s.reveal() not in write for s in livekit.api_keys.values()), "contents travel on standard input"
