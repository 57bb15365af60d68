"""A change of ten hosts, in waves of three, while people talk on a host of each wave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.report import Report
from tests.support.calls.background_call import all_talking, unnoticed
from tests.support.calls.slots import Slot, draining, ended, serving
from tests.support.hosts.deploys import Deploy, Told, unchanging
from tests.support.hosts.lab import Lab
from tests.upgrade.judge import activations
from tests.waves.conftest import CANARY, SAID, WAVES, WITHIN
from tests.waves.turns import Turn, all_at_once, turns, waves

# The host that people enter through -> the one their room is on; of the last wave's, signalling passes through another.
TALK = {CANARY: CANARY, "lk2": "lk2", "lk7": "lk7", "lk4": "lk10"}


@dataclass(frozen=True)
class Seen:
    inventory: Path
    told: Told
    before: Mapping[str, Slot]
    after: Mapping[str, Slot]
    draining: Mapping[str, list[str]]  # host -> the slots that still had somebody after the deploy
    turns: Mapping[str, Turn]
    reports: Mapping[str, Report]
    control: Report


@pytest.fixture(scope="module")
def seen(
    access: Access, control: Access, lab: Lab, hosts: Mapping[str, Host], change: Callable[[], Path]
) -> Iterator[Seen]:
    """The change, and how the calls were that went on through all of it."""
    changed = change()
    before = {name: serving(lab.site, name) for name in hosts}
    with all_talking(access, control, {through: before[on].node for through, on in TALK.items()}) as talks:
        run = Deploy(changed)
        told = run.end(within=WITHIN)
        after = {name: serving(lab.site, name) for name in hosts}
        left = {name: draining(name) for name in hosts}
        reports, calm = talks.stop()
    yield Seen(changed, told, before, after, left, turns(hosts, run.began), reports, calm)
    for name, slot in before.items():
        ended(name, slot.unit)


def test_every_host_has_changed(seen: Seen) -> None:
    assert seen.told.status == 0, seen.told.text
    assert {word for word, _ in activations(seen.told.text).values()} == {"done"}
    same = [name for name, slot in seen.after.items() if slot.node == seen.before[name].node]
    assert same == []
    unchanging(seen.inventory)


def test_the_canary_goes_first_then_waves_of_three_and_redis_alone(seen: Seen) -> None:
    assert waves(seen.turns) == WAVES, seen.turns


def test_the_hosts_of_a_wave_go_at_the_same_time(seen: Seen) -> None:
    for wave in WAVES:
        assert all_at_once(seen.turns[name] for name in wave), (wave, seen.turns)


def test_who_goes_with_whom_is_said_before(seen: Seen) -> None:
    assert f"[{CANARY}] Services, at once: {SAID}" in " ".join(seen.told.text.split()), seen.told.text


@pytest.mark.parametrize("through", TALK)
def test_nobody_notices_anything(seen: Seen, through: str) -> None:
    unnoticed(seen.reports[through], seen.control)


def test_slots_drain_where_people_talked_and_nowhere_else(seen: Seen) -> None:
    talked = {*TALK, *TALK.values()}
    assert seen.draining == {name: [seen.before[name].unit] if name in talked else [] for name in seen.before}
