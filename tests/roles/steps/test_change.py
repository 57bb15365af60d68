"""A whole change of a slot, action by action, and what is left of it when one of them fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from livekit_metal.core.slots.decision import Slot, State, retire
from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Plan
from livekit_metal.runtime.slots import switchover
from livekit_metal.runtime.slots.slotted_service import SlottedService
from livekit_metal.runtime.slots.switchover import Switchover
from tests.render.edge.edge_rig import Edge, get
from tests.support.hosts.local_host import HOST, LocalHost
from tests.support.hosts.stand_ins import Units

ROOT = "/etc/livekit/livekit"
NEW = Generation("new", f"{ROOT}/new", "/opt/livekit/livekit-server/2")
UNIT = "livekit-server@{}.service"
A, B, C = map(UNIT.format, "abc")
FLAG = switchover.candidate("livekit", "b")
ACTIONS = 8  # of the change below


@pytest.fixture
def service(edge: Edge, local: LocalHost, units: Units) -> SlottedService:
    """A daemon that serves on slot a, with somebody on it; its proofs find nothing wrong."""
    condition = f"grep -qx 'livekit %i' {edge.active.file} || test -e /run/livekit-metal/candidate-livekit-%i"
    local.write("/etc/systemd/system/livekit-server@.service", f"[Service]\nExecCondition={condition}\n")
    units[A] = "active"
    units.busy(A)
    return SlottedService(
        component="livekit",
        unit=UNIT,
        slots=("a", "b", "c"),
        root=ROOT,
        releases="/opt/livekit/livekit-server",
        change=Switchover(component="livekit", unit=UNIT, active=edge.active, deadline=Duration(3600)),
        check=lambda host, slot: None,
        alone=lambda host, slot: None,
        ready=lambda host, slot, fresh: None,
    )


def seen(active: str = "a", **slots: str) -> HostState:
    """A host with ``slots`` given as "ActiveState generation"."""
    found = {
        UNIT.format(s): dict(zip(("ActiveState", "Stamp"), text.split(), strict=True)) for s, text in slots.items()
    }
    return HostState(
        units=found, answers={"livekit.active": [active], "livekit.generations": [], "livekit.releases": []}
    )


def plan(service: SlottedService) -> Plan:
    todo = service.plan(NEW, seen(a="active old"))
    assert len(todo.actions) == ACTIONS + 1
    return todo


def run(todo: Plan, *, fails_at: int = 99) -> None:
    """As a turn does: action by action; when one fails, what the plan says for that."""
    for number, action in enumerate(todo.actions):
        if number == fails_at:
            assert todo.undo is not None
            todo.undo(HOST)
            return
        action.run(HOST)


def who(edge: Edge) -> str:
    return str(json.loads(get(edge.http)[1])["slot"])


def test_a_change_that_works_ends_with_the_old_slot_draining(
    service: SlottedService, edge: Edge, local: LocalHost, units: Units
) -> None:
    run(plan(service))
    assert (who(edge), units[A], units[B]) == ("b", "deactivating", "active")
    drop_in = local.path(f"/etc/systemd/system/{B}.d/50-generation.conf")
    assert str(drop_in.readlink()) == NEW.drop_in("b")
    started = [line for line in local.noted("systemctl") if line in (f"start {B}", f"stop {B}")]
    assert started == [f"start {B}", f"stop {B}", f"start {B}"], "alone, ended, and then where sessions reach it"


@pytest.mark.parametrize("number", range(1, ACTIONS + 1))
def test_whatever_fails_before_the_hand_over_the_old_slot_serves_on(
    service: SlottedService, edge: Edge, local: LocalHost, units: Units, number: int
) -> None:
    todo = plan(service)
    run(todo, fails_at=number)
    assert (who(edge), units[A]) == ("a", "active")
    assert Path(edge.active.file).read_text() == "livekit a\n"
    assert units[B] == "inactive", todo.actions[number].name
    assert not local.path(FLAG).exists(), "it would start again"
    told = "\n".join(local.noted("systemctl"))
    assert A not in told
    assert C not in told


def test_one_that_no_session_can_reach_is_ended_at_once(
    service: SlottedService, local: LocalHost, units: Units
) -> None:
    units.busy(B)
    run(plan(service), fails_at=4)
    assert units[B] == "inactive"
    assert f"stop {B}" in local.noted("systemctl")
    assert not local.path(f"/run/systemd/system/{B}.d").exists(), "nothing to drain"


def test_one_that_rooms_may_be_on_drains(service: SlottedService, edge: Edge, local: LocalHost, units: Units) -> None:
    """It has joined the cluster: LiveKit puts rooms there, whoever leads signalling where."""
    units.busy(B)
    run(plan(service), fails_at=ACTIONS)
    assert units[B] == "deactivating"
    assert local.noted("systemctl").count(f"stop {B}") == 1, "that of the proof"
    assert "TimeoutStopSec=1h" in local.path(f"/run/systemd/system/{B}.d/90-livekit-metal-drain.conf").read_text()
    assert who(edge) == "a"


def test_one_that_serves_already_is_not_touched(service: SlottedService, edge: Edge, units: Units) -> None:
    """The connection broke when the hand-over was done."""
    todo = plan(service)
    run(todo)
    assert todo.undo is not None
    todo.undo(HOST)
    assert (who(edge), units[B]) == ("b", "active")


def test_a_start_that_fails_is_given_up_with_the_units_last_words(
    service: SlottedService, edge: Edge, units: Units
) -> None:
    units.breaks(B)
    with pytest.raises(HostError, match="the last words"):
        run(plan(service))
    assert (who(edge), units[A]) == ("a", "active")


def test_a_daemon_that_is_never_alone_is_given_up_by_draining_it(
    service: SlottedService, edge: Edge, local: LocalHost, units: Units
) -> None:
    """As ingress, which does not start without Redis."""
    units.busy(B)
    todo = replace(service, alone=None).plan(NEW, seen(a="active old"))
    run(todo, fails_at=4)
    assert [action.name for action in todo.actions][3:] == [
        "slot b: ready",
        "slot b: new sessions go here, slot a drains",
    ]
    assert (units[B], units[A], who(edge)) == ("deactivating", "active", "a")


def test_a_proof_that_was_cut_short_is_ended(service: SlottedService, local: LocalHost, units: Units) -> None:
    switchover.point(HOST, B, NEW.drop_in("b", alone=True), FLAG)
    switchover.start(HOST, B)
    assert units[B] == "active"
    (only,) = service.plan(NEW, seen(a="active new", b="active new~alone")).actions
    only.run(HOST)
    assert (units[B], units[A]) == ("inactive", "active")
    assert not local.path(FLAG).exists()


def test_a_host_taken_out_of_service_drains_all_that_runs(service: SlottedService, edge: Edge, units: Units) -> None:
    units[B] = "active"
    decision = retire({"a": Slot(State.RUNNING, "old"), "b": Slot(State.RUNNING, "new")})
    for action in service.retire(seen(a="active old", b="active new"), decision):
        action.run(HOST)
    assert (units[A], units[B]) == ("deactivating", "inactive")
    assert Path(edge.active.file).read_text() == ""
    assert get(edge.http)[0] == 503
