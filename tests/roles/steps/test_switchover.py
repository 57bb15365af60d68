"""What a switchover does on a host: HAProxy itself leads new sessions elsewhere, the shell text runs as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import testinfra

from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.slots import active_slot, switchover
from livekit_metal.runtime.slots.switchover import Switchover
from tests.render.edge.edge_rig import Edge, get, websocket
from tests.support.hosts import haproxy
from tests.support.hosts.local_host import HOST, LocalHost
from tests.support.hosts.stand_ins import Units

UNIT = "livekit-server@{}.service"
A, B = UNIT.format("a"), UNIT.format("b")
DRAIN = f"/run/systemd/system/{A}.d/90-livekit-metal-drain.conf"
FINISH = f"/run/systemd/system/{A}.d/finish.sh"
TIMER = "livekit-finish-livekit-a"


@pytest.fixture
def change(edge: Edge, units: Units) -> Switchover:
    """livekit-server's; both slots run, and somebody is on a."""
    for unit in (A, B):
        units[unit] = "active"
    units.busy(A)
    return Switchover(component="livekit", unit=UNIT, active=edge.active, deadline=Duration(3600))


def who(edge: Edge) -> str:
    return str(json.loads(get(edge.http)[1])["slot"])


def active(edge: Edge) -> str:
    return Path(edge.active.file).read_text()


def test_new_sessions_go_to_the_new_slot_and_the_old_one_keeps_what_it_has(
    edge: Edge, change: Switchover, local: LocalHost, units: Units
) -> None:
    Path(edge.active.file).write_text("# note\nsip z\nlivekit a\n")
    local.write(switchover.candidate("livekit", "a"))
    with websocket(edge.http) as say:
        assert say("1") == "a:1"
        assert change.switch_traffic(HOST, "b", ("a",), mark="/etc/livekit/livekit/served/new") == ""
        assert (who(edge), say("2")) == ("b", "a:2")
    assert active(edge) == "# note\nsip z\nlivekit b\n"
    assert local.path("/etc/livekit/livekit/served/new").exists()
    assert (units[A], units[B]) == ("deactivating", "active")
    assert local.path(DRAIN).read_text() == "[Service]\nTimeoutStopSec=1h\n"
    assert not local.path(switchover.candidate("livekit", "a")).exists(), "else a restart would bring it back"
    told = local.noted("systemctl")
    assert told.index("daemon-reload") < told.index(f"stop --no-block {A}"), "else the unit's own deadline holds"


def test_what_haproxy_says_is_what_it_does_and_not_what_the_file_says(edge: Edge, change: Switchover) -> None:
    """The witness of tests of deployed hosts."""
    here = testinfra.get_host("local://")
    change.switch_traffic(HOST, "b")
    Path(edge.active.file).write_text("livekit c\n")
    assert haproxy.active_slot(here, edge.active, "livekit") == who(edge) == "b"


def test_it_may_be_repeated(edge: Edge, change: Switchover, units: Units) -> None:
    for _ in range(2):
        change.switch_traffic(HOST, "b", ("a",))
        assert (who(edge), active(edge)) == ("b", "livekit b\n")
        assert (units[A], units[B]) == ("deactivating", "active")


def test_a_slot_that_haproxy_does_not_see_gets_nothing_and_nothing_drains(
    edge: Edge, change: Switchover, local: LocalHost, units: Units
) -> None:
    soon = replace(change, flip=active_slot.FLIP.replace("+ 15", "+ 1"))
    with pytest.raises(HostError, match="did not see slot c of livekit answer"):
        soon.switch_traffic(HOST, "c", ("a",), mark="/etc/livekit/livekit/served/new")
    assert (who(edge), active(edge), units[A]) == ("a", "livekit a\n", "active")
    assert not local.path("/etc/livekit/livekit/served/new").exists()
    assert not local.path(DRAIN).exists()


def test_before_haproxy_runs_the_file_alone_is_written(
    edge: Edge, change: Switchover, units: Units, tmp_path: Path
) -> None:
    file = tmp_path / "edge/other.map"
    early = replace(change, active=replace(edge.active, file=str(file), socket=str(tmp_path / "edge/no.sock")))
    early.switch_traffic(HOST, "c")
    assert file.read_text() == "livekit c\n"
    assert file.stat().st_mode & 0o777 == 0o644, "the health of slots is asked by others than root"


def test_a_host_may_have_no_active_slot(edge: Edge, change: Switchover, units: Units) -> None:
    Path(edge.active.file).write_text("sip z\nlivekit a\n")
    change.switch_traffic(HOST, "", ("a", "b"))
    assert active(edge) == "sip z\n"
    assert get(edge.http)[0] == 503
    assert (units[A], units[B]) == ("deactivating", "inactive")


def test_a_drain_alone_moves_no_session(edge: Edge, change: Switchover, units: Units) -> None:
    change.drain(HOST, ("b",))
    assert (who(edge), active(edge)) == ("a", "livekit a\n")
    assert (units[A], units[B]) == ("active", "inactive")


def test_who_has_yet_to_come_is_waited_for_and_then_named(change: Switchover, local: LocalHost, units: Units) -> None:
    waiting = 'echo >>"$NOTES/asked"; [ "$(wc -l <"$NOTES/asked")" -gt {} ] || echo "the room of $1"'
    patient = replace(change, waiting=waiting.format(2), unjoined=Duration(30))
    assert patient.drain(HOST, ("a",)) == ""
    assert len(local.noted("asked")) == 3
    assert units[A] == "deactivating"
    (local.notes / "asked").unlink()
    tired = replace(change, waiting=waiting.format(1000), unjoined=Duration(1))
    assert tired.drain(HOST, ("a",)) == "slot a drains without waiting any longer for the room of a"
    assert units[A] == "deactivating"


def test_at_its_deadline_what_is_still_there_is_brought_to_an_end(
    change: Switchover, local: LocalHost, units: Units
) -> None:
    ending = replace(change, finish='echo "$slot $unit" >>"$NOTES/finished"', signal="SIGUSR1", grace=Duration(60))
    ending.drain(HOST, ("a",))
    assert local.path(DRAIN).read_text() == "[Service]\nKillSignal=SIGUSR1\nTimeoutStopSec=61m\n"
    (set_,) = local.noted("systemd-run")
    assert f"--unit={TIMER} --on-active=1h" in set_
    ending.drain(HOST, ("a",))
    assert local.noted("systemd-run") == [set_], "a second drain does not put the deadline off"
    run_timer(local, units)
    assert local.noted("finished") == [f"a {A}"]
    units[A] = "inactive"
    run_timer(local, units)
    assert local.noted("finished") == [f"a {A}"], "a slot that has ended by itself is left alone"


def run_timer(local: LocalHost, units: Units) -> None:
    """What systemd does at the deadline."""
    command = units.command(TIMER)
    assert command == f"/bin/sh {FINISH}"
    local.run(command)


def test_an_empty_slot_is_pointed_at_a_generation_and_may_start(local: LocalHost, units: Units, edge: Edge) -> None:
    unit, flag = UNIT.format("c"), switchover.candidate("livekit", "c")
    condition = f"grep -qx 'livekit %i' {edge.active.file} || test -e /run/livekit-metal/candidate-livekit-%i"
    local.write("/etc/systemd/system/livekit-server@.service", f"[Service]\nExecCondition={condition}\n")
    local.write(f"/run/systemd/system/{unit}.d/90-livekit-metal-drain.conf", "[Service]\nTimeoutStopSec=1h\n")
    local.write(f"/run/systemd/system/{unit}.d/finish.sh")
    switchover.start(HOST, unit)
    assert units[unit] == "inactive", "a slot that is not active starts only as a candidate"
    switchover.point(HOST, unit, "/etc/livekit/livekit/old/slot-c.conf", flag)
    switchover.point(HOST, unit, "/etc/livekit/livekit/new/slot-c.conf", flag)
    drop_in = local.path(f"/etc/systemd/system/{unit}.d/50-generation.conf")
    assert str(drop_in.readlink()) == "/etc/livekit/livekit/new/slot-c.conf"
    assert [p.name for p in drop_in.parent.iterdir()] == [drop_in.name]
    assert list(local.path(f"/run/systemd/system/{unit}.d").iterdir()) == [], "nothing of its last drain holds it"
    assert "-q stop livekit-finish-livekit-c.timer" in local.noted("systemctl")
    assert units.enabled(unit)
    switchover.start(HOST, unit)
    assert units[unit] == "active"
    switchover.end(HOST, unit, flag)
    assert units[unit] == "inactive"
    switchover.start(HOST, unit)
    assert units[unit] == "inactive", "no flag of it is left"


def test_a_unit_that_does_not_start_says_its_last_words(local: LocalHost, units: Units) -> None:
    units.breaks(B)
    with pytest.raises(HostError, match=rf"{B} does not start\nlast words of {B}:\nthe last words"):
        switchover.start(HOST, B)
