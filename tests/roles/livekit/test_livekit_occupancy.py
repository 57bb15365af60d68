"""The probe run by a real shell, with stand-ins for what a host would answer, and answers of every kind read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import DRAIN_DROP_IN
from livekit_metal.roles.livekit import occupancy
from livekit_metal.roles.livekit.occupancy import Occupancy, State
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.slots.occupancy import seconds as seconds_of
from livekit_metal.site.model import Site
from tests.roles.occupancy_rig import HOSTILE, METRICS, PORTS, Rig, rooms

LEFT = "Sat 2026-11-21 11:57:29 UTC"
LEFT_AT = 1795262249  # `date -d "$LEFT" +%s`
FIVE_HOURS = 5 * 3600


@pytest.fixture
def livekit(single: Site, tmp_path: Path) -> Settings:
    found = single.for_host("lk1").livekit
    assert found is not None
    return dataclasses.replace(found, config_root=str(tmp_path / "etc"), active=Active(str(tmp_path / "active.map")))


@pytest.fixture
def rig(livekit: Settings, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, livekit)
    (tmp_path / "active.map").write_text("egress c\nlivekit a\n")
    (tmp_path / "units").write_text("")
    yield made
    for process in made.processes:
        process.kill()
        process.wait()


def test_a_host_that_was_never_deployed_has_empty_slots(rig: Rig, livekit: Settings) -> None:
    Path(livekit.active.file).unlink()
    assert rig.look() == {name: Occupancy(slot=name, state=State.EMPTY) for name in ("a", "b", "c")}


def test_a_slot_with_a_call_and_a_room_that_nobody_joined(rig: Rig) -> None:
    rig.slot("a", "active", "ab12cd", PORTS)
    rig.answers(6789, "metrics", METRICS.format(rooms=2, participants="1e+06"))
    rig.answers(6060, "debug/rooms", rooms(HOSTILE))
    rig.sockets(7890, 3)
    assert rig.look()["a"] == Occupancy(
        slot="a",
        state=State.ACTIVE,
        generation="ab12cd",
        release="1.13.5-ab12",
        rooms=2,
        participants=1_000_000,
        unjoined=(HOSTILE,),
        websockets=3,
    )


def test_a_candidate_that_is_proved_is_read_from_its_generation_too(rig: Rig) -> None:
    rig.slot("b", "active", "ab12cd~alone", PORTS)
    rig.answers(6789, "metrics", METRICS.format(rooms=1, participants=2))
    found = rig.look()["b"]
    assert (found.state, found.release, found.participants) == (State.PROVING, "1.13.5-ab12", 2)


def test_a_drain_has_a_beginning_and_a_deadline(rig: Rig) -> None:
    rig.slot("b", "deactivating", "ab12cd", PORTS, left=LEFT)
    found = rig.look()["b"]
    assert (found.state, found.generation) == (State.DRAINING, "ab12cd")
    assert (found.since, found.deadline) == (LEFT_AT, LEFT_AT + FIVE_HOURS)


def test_a_slot_that_only_passes_signalling_on_says_so(rig: Rig) -> None:
    """The server counts clients of rooms elsewhere as participants too."""
    rig.slot("b", "deactivating", "ab12cd", PORTS, left=LEFT)
    rig.answers(6789, "metrics", METRICS.format(rooms=0, participants=2))
    rig.sockets(7890, 2)
    found = rig.look()["b"]
    assert found.passes_on
    assert "no room is on it; signalling of rooms elsewhere over 2 connections, until" in occupancy.describe(found)


def test_one_that_serves_and_drains_is_called_draining(rig: Rig) -> None:
    rig.slot("a", "deactivating", "ab12cd", PORTS, left=LEFT, timeout="infinity")
    found = rig.look()["a"]
    assert (found.state, found.since, found.deadline) == (State.DRAINING, LEFT_AT, None)


@pytest.mark.parametrize(
    ("name", "state", "stamp", "called"),
    [
        ("a", "active", "ab12cd", State.ACTIVE),
        ("b", "active", "ab12cd", State.RUNNING),
        ("b", "active", "ab12cd~alone", State.PROVING),
        ("a", "active", "ab12cd~alone", State.PROVING),
        ("b", "deactivating", "ab12cd~alone", State.PROVING),
        ("b", "failed", "", State.EMPTY),
        ("a", "activating", "", State.ACTIVE),
    ],
)
def test_what_a_slot_is_used_for(rig: Rig, name: str, state: str, stamp: str, called: State) -> None:
    rig.slot(name, state, stamp, left=LEFT)
    found = rig.look()[name]
    assert found.state is called
    assert found.generation == stamp.removesuffix("~alone")
    assert found.since == (LEFT_AT if called is State.DRAINING else None), "of an earlier life of the slot"


def test_a_slot_that_does_not_answer_is_not_called_empty_of_people(rig: Rig) -> None:
    rig.slot("a", "active", "ab12cd", PORTS)
    rig.sockets(7890, 2)
    found = rig.look()["a"]
    assert (found.rooms, found.participants, found.unjoined, found.websockets) == (None, None, None, 2)


def test_a_generation_without_a_debug_port_leaves_only_the_names_open(rig: Rig) -> None:
    rig.slot("a", "active", "ab12cd", "signal 7890 metrics 6789")
    rig.answers(6789, "metrics", METRICS.format(rooms=2, participants=1))
    rig.sockets(7890, 0)
    found = rig.look()["a"]
    assert (found.rooms, found.participants, found.unjoined, found.websockets) == (2, 1, None, 0)


def test_a_generation_without_ports_is_asked_nothing(rig: Rig) -> None:
    """Today's ports may be those of another slot."""
    rig.slot("a", "active", "ab12cd")
    rig.answers(6789, "metrics", METRICS.format(rooms=2, participants=1))
    found = rig.look()["a"]
    assert (found.generation, found.rooms, found.websockets) == ("ab12cd", None, None)


def test_sockets_that_cannot_be_counted_are_not_none(rig: Rig) -> None:
    rig.slot("a", "active", "ab12cd", PORTS)
    rig.program("ss", "exit 1")
    assert rig.look()["a"].websockets is None


def test_a_slot_that_the_site_no_longer_has_is_seen_while_it_runs(rig: Rig) -> None:
    rig.slot("old", "deactivating", "ab12cd", PORTS, left=LEFT)
    rig.slot("older", "inactive")
    found = rig.look()
    assert list(found) == ["a", "b", "c", "old"]
    assert found["old"].deadline == LEFT_AT + FIVE_HOURS


@pytest.fixture
def drop_ins(tmp_path: Path) -> Callable[..., Path]:
    """/run/systemd/system with the drop-ins of drains."""

    def make(*slots: str) -> Path:
        root = tmp_path / "run"
        root.mkdir(exist_ok=True)
        for slot in slots:
            directory = root / f"livekit-server@{slot}.service.d"
            directory.mkdir()
            (directory / DRAIN_DROP_IN).touch()
        return root

    return make


def test_asking_only_what_drains_asks_nothing_while_nothing_does(rig: Rig, drop_ins: Callable[..., Path]) -> None:
    rig.slot("a", "active", "ab12cd", PORTS)
    rig.program("systemctl", f"touch {rig.root}/asked")
    assert rig.look(draining=True, drop_ins=drop_ins()) == {}
    assert not (rig.root / "asked").exists()


def test_asking_only_what_drains_leaves_the_others_alone(rig: Rig, drop_ins: Callable[..., Path]) -> None:
    rig.slot("a", "active", "ab12cd", PORTS)
    rig.slot("b", "deactivating", "ef34", "signal 7891 metrics 6790", left=LEFT)
    rig.program("curl", f'echo "$@" >>{rig.root}/asked')
    found = rig.look(draining=True, drop_ins=drop_ins("b", "c"))
    assert [(o.slot, o.state) for o in found.values()] == [("b", State.DRAINING)]
    assert (rig.root / "asked").read_text().split()[-1:] == ["http://127.0.0.1:6790/metrics"]
    assert "6789" not in (rig.root / "asked").read_text()


def test_a_host_whose_systemd_does_not_answer_is_not_called_empty(rig: Rig) -> None:
    rig.slot("a", "active", "ab12cd", PORTS)
    rig.program("systemctl", "exit 1")
    with pytest.raises(HostError, match="does not say what its slots do"):
        rig.look()


BAD: Mapping[str, list[str]] = {
    "nothing": [],
    "cut off": ["active a", "a state active"],
    "end in the middle": ["active a", "end", "a state active"],
}


@pytest.mark.parametrize("lines", BAD.values(), ids=BAD)
def test_an_answer_that_is_not_whole_is_refused(lines: list[str], livekit: Settings) -> None:
    with pytest.raises(HostError):
        occupancy.parse(lines, livekit)


def test_values_that_make_no_sense_are_unknown(livekit: Settings) -> None:
    lines = [
        "active a",
        "a state active",
        "a left n/a",
        "a timeout soon",
        "a stamp ab",
        "a rooms many",
        "a websockets ",
    ]
    lines += ["a debug read", 'a unjoined "half', "b state ", "b stamp ", "???", "end"]
    found = occupancy.parse(lines, livekit)["a"]
    assert (found.rooms, found.participants, found.websockets, found.release) == (None, None, None, "")
    assert found.unjoined == ('"half',)


@pytest.mark.parametrize(
    ("span", "seconds"),
    [
        ("5h", 18000),
        ("1min 30s", 90),
        ("20s", 20),
        ("1w 2d 3h", 788400),
        ("1month", 2629800),
        ("500ms", 0),
        ("infinity", None),
        ("", None),
        ("5 h", None),
    ],
)
def test_lengths_of_time_as_systemd_shows_them(span: str, seconds: int | None) -> None:
    assert seconds_of(span) == seconds
