"""A host of the second wave cannot start its new slot: its wave ends, the third does not begin, and people talk on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.report import Report
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.site.model import Site
from tests.support.calls import witness
from tests.support.calls.background_call import all_talking, unnoticed
from tests.support.calls.slots import Slot, draining, ended, serving
from tests.support.hosts.deploys import Deploy, Told, unchanging
from tests.support.hosts.lab import Lab
from tests.upgrade.judge import activations
from tests.waves.conftest import CANARY, WAVES, WITHIN
from tests.waves.turns import Turn, turns, waves

FAILS, THIRD = "lk7", ("lk9", "lk10")
TALK = (CANARY, FAILS, "lk8", "lk9")
_HOLDER = "tests-holder"
# What somebody's own service does who takes the port of a slot that nobody is on.
_HOLDS = "import signal, socket; held = [socket.create_server(('', p)) for p in (%s,)]; signal.pause()"


@dataclass(frozen=True)
class Seen:
    inventory: Path
    told: Told
    before: Mapping[str, Slot]
    after: Mapping[str, Slot]
    turns: Mapping[str, Turn]
    third: Mapping[str, tuple[str, str]]  # units and their processes, rules, packages of those hosts: before and after
    again: Told  # the same command, while the port is still held
    healed: Told
    healing: Mapping[str, Turn]
    in_the_end: Mapping[str, Slot]
    reports: Mapping[str, Report]
    control: Report


def _hold(host: Host, site: Site, slot: Slot) -> None:
    """Take the ports of all slots but the one that serves."""
    livekit = site.for_host(FAILS).the(Livekit)
    ports = [str(livekit.part("signal", name).first) for name in livekit.slots if f"@{name}." not in slot.unit]
    words = "systemd-run -q --collect -p Type=exec --unit=%s python3 -c %s"
    host.check_output(words, _HOLDER, _HOLDS % ", ".join(ports))
    host.check_output(f"timeout 20 sh -c 'until ss -Hltn sport = :{ports[-1]} | grep -q .; do sleep 0.1; done'")


@pytest.fixture(scope="module")
def seen(
    access: Access, control: Access, lab: Lab, hosts: Mapping[str, Host], change: Callable[[], Path]
) -> Iterator[Seen]:
    changed = change()
    before = {name: serving(lab.site, name) for name in hosts}
    state = {name: witness.state(hosts[name]) for name in THIRD}
    with all_talking(access, control, {name: before[name].node for name in TALK}) as talks:
        try:
            run = Deploy(changed)
            # preflight has looked by then, and the canary is at work
            assert run.until(lambda line: "Services, at once" in line, within=WITHIN)
            _hold(hosts[FAILS], lab.site, before[FAILS])
            told = run.end(within=WITHIN)
            third = {name: (state[name], witness.state(hosts[name])) for name in THIRD}
            worked = turns(hosts, run.began)
            after = {name: serving(lab.site, name) for name in hosts}
            again = Deploy(changed).end(within=WITHIN)
        finally:
            hosts[FAILS].run(f"systemctl stop {_HOLDER}")
        heal = Deploy(changed)
        healed = heal.end(within=WITHIN)
        in_the_end = {name: serving(lab.site, name) for name in hosts}
        reports, calm = talks.stop()
    healing = turns(hosts, heal.began)
    yield Seen(changed, told, before, after, worked, third, again, healed, healing, in_the_end, reports, calm)
    for name in hosts:
        for unit in draining(name):
            ended(name, unit)


def test_it_stops_and_says_which_host_why_and_what_next(seen: Seen) -> None:
    assert seen.told.status > 0
    assert "Traceback" not in seen.told.text, seen.told.text
    said = next(line for line in seen.told.text.splitlines() if line.strip().startswith(f"{FAILS} "))
    assert "failed" in said, said
    assert "address already in use" in seen.told.text, seen.told.text
    assert f"stopped at {FAILS}; mend it and run the same command again" in seen.told.text, seen.told.text


def test_what_became_of_each_host_is_in_the_table(seen: Seen) -> None:
    words = {name: word for name, (word, _) in activations(seen.told.text).items()}
    assert words == dict.fromkeys(seen.before, "done") | {FAILS: "failed"} | dict.fromkeys(THIRD, "untouched")


def test_its_own_wave_ends_and_the_third_does_not_begin(seen: Seen) -> None:
    assert waves(seen.turns) == WAVES[:-1], seen.turns
    changed = {name for name, slot in seen.after.items() if slot.node != seen.before[name].node}
    assert changed == set().union(*WAVES[:-1]) - {FAILS}


@pytest.mark.parametrize("name", THIRD)
def test_no_process_of_the_third_wave_is_touched(seen: Seen, name: str) -> None:
    before, after = seen.third[name]
    assert before == after


def test_a_second_run_names_who_has_the_port_before_anything_is_touched(seen: Seen) -> None:
    assert seen.again.status > 0
    assert "Services" not in seen.again.text, seen.again.text
    assert "python3" in seen.again.text, seen.again.text


def test_a_plain_deploy_heals(seen: Seen) -> None:
    assert seen.healed.status == 0, seen.healed.text
    assert waves(seen.healing) == [{FAILS}, set(THIRD)], seen.healing
    same = [name for name in seen.before if seen.in_the_end[name].node == seen.before[name].node]
    assert same == []
    unchanging(seen.inventory)


@pytest.mark.parametrize("name", TALK)
def test_people_talk_on(seen: Seen, name: str) -> None:
    unnoticed(seen.reports[name], seen.control)
