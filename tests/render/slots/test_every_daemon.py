"""The files of any daemon in slots, parsed back. What one daemon has besides: test_ROLE.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from livekit_metal.core.ports import PortRange
from livekit_metal.core.slots.decision import DRAIN_DROP_IN
from livekit_metal.releases.extra import rules
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.slots import rollback
from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.site.loading import every_role
from livekit_metal.site.model import Site
from tests.render.conftest import Verify
from tests.render.walked import everything

Slotted = SlottedDaemon[Any]
RELEASE = "/opt/x/1.2.3-abc"
DAEMONS = [role.name for role in every_role() if role.slots]
EXPOSURE = 1.9  # of 10, by systemd-analyze security


@pytest.fixture
def site(make_site: Callable[[dict[str, Any]], Site]) -> Site:
    return make_site(everything())


@pytest.fixture(params=DAEMONS)
def daemon(request: pytest.FixtureRequest, site: Site) -> Slotted:
    return components(site.for_host("lk1"))[request.param]


@pytest.fixture
def files(daemon: Slotted) -> dict[str, File]:
    """Those of a generation, by name."""
    return {PurePosixPath(file.path).name: file for file in daemon.generation(RELEASE)[1]}


def test_no_two_slots_of_a_host_share_a_port(site: Site) -> None:
    taken: dict[tuple[str, int], str] = {}
    for role, each in components(site.for_host("lk1")).items():
        for port in each.settings.ports():
            for number in range(port.range.first, port.range.last + 1):
                owner = taken.setdefault((port.proto, number), f"{role}/{port.name}")
                # SIP of a slot has one setting for UDP and TCP
                assert owner == f"{role}/{port.name}", number


def test_secrets_stand_in_files_that_nobody_else_reads(site: Site, daemon: Slotted, files: dict[str, File]) -> None:
    assert site.vault
    for file in files.values():
        if any(value in file.text for value in site.vault.every_value()):
            assert file.secret, f"{file.path} is shown as a diff"
            assert (file.mode, file.group) in (("640", daemon.settings.user), ("600", "root")), file.path
    secret = [file for file in files.values() if file.secret]
    assert any(next(iter(daemon.settings.api_keys.values())).reveal() in file.text for file in secret)


def test_every_slot_knows_redis_and_who_it_is(daemon: Slotted, files: dict[str, File]) -> None:
    generation = daemon.generation(RELEASE)[0]
    for slot in daemon.settings.slots:
        config = yaml.safe_load(files[f"{slot}.yaml"].text)
        assert config["redis"]["address"] == daemon.settings.redis.address
        assert config["logging"]["json"] is True, "readiness is read from it"
        drop_in = files[f"slot-{slot}.conf"].text
        assert f"\nEnvironment=LKM_STAMP={generation.name}\n" in drop_in, "by it deploys know what a process runs"
        assert f"{generation.directory}/{slot}.yaml" in drop_in
        assert f"\nUser={daemon.settings.user}\n" in drop_in
        assert f"\nMemoryMax={daemon.settings.memory}\n" in drop_in


def test_what_a_drain_left_goes_with_it_and_no_exit_ends_a_slot(daemon: Slotted, files: dict[str, File]) -> None:
    drop_in = files[f"slot-{daemon.settings.slots[0]}.conf"].text
    after = " ".join(re.findall(r"^ExecStopPost=(.*)$", drop_in, re.MULTILINE))
    assert DRAIN_DROP_IN in after
    if daemon.switchover().finish:
        assert daemon.settings.finish_file in after
        assert f"livekit-finish-{daemon.role}-%i.timer" in after
    assert "\nRestart=always\n" in drop_in, "each of them ends with status 0 after errors"
    assert "\nKillMode=mixed\n" in drop_in
    assert "ExecStart=/bin/false" in daemon.units[0].text, "without a drop-in nothing runs"


def test_a_generation_s_own_record_leads_back_to_its_slots_and_ports(daemon: Slotted, files: dict[str, File]) -> None:
    """What a rollback reads there, and whoever asks a slot of an earlier deploy."""
    record = files["ports"].text
    lines = record.splitlines()
    then = rollback._then(daemon, "g", [f"g/ports:{line}" for line in lines])
    elsewhere = {name: PortRange(at.first + 3000, at.last + 3000) for name, at in daemon.settings.ranges.items()}
    moved = daemon.having(**elsewhere)
    assert moved.settings != daemon.settings
    assert moved.having(**then).settings == daemon.having(**daemon.settings.earlier(lines)).settings
    for slot in daemon.settings.slots:
        found = re.search(rf"^slot {slot} .*\bmetrics (\d+)", record, re.MULTILINE)
        assert found
        assert int(found[1]) == daemon.settings.part("metrics", slot).first


def test_units_are_sound_and_tight(daemon: Slotted, files: dict[str, File], verify_unit: Verify) -> None:
    slot = daemon.settings.slots[0]
    drop_in = files[f"slot-{slot}.conf"].text.replace("ExecStart=\n", "", 1)
    unit = daemon.units[0].text.replace("ExecStart=/bin/false\n", drop_in.partition("[Service]\n")[2], 1)
    assert verify_unit(daemon.settings.unit.format(slot), unit) <= EXPOSURE


def _leaves(config: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from ([name, *rest] for rest in _leaves(value))
        else:
            yield [name]


def test_no_key_of_ours_is_taken_by_extra_and_every_other_gets_through(daemon: Slotted) -> None:
    own, slot = daemon.settings, daemon.settings.slots[0]
    for names in _leaves(own.own_config(slot)):
        if ".".join(names) in rules(daemon.program).free["keys"]:
            continue  # ours is a default
        extra: Any = "mine"
        for name in reversed(names):
            extra = {name: extra}
        (problem,) = daemon.having(extra=extra).settings.problems(own.component)
        assert f"{problem.path}.".startswith(f"{own.component}.extra.{names[0]}.")
        assert problem.fact.startswith(("is set by livekit-metal", "opens a port")), f"{names}: {problem}"
    other = daemon.having(extra={"logging": {"component_levels": {"x": "debug"}}}).settings
    assert list(other.problems(own.component)) == []
    config = other.config(slot)
    assert config["logging"] == own.config(slot)["logging"] | {"component_levels": {"x": "debug"}}


def test_too_few_ports_and_names_that_are_none_are_refused(daemon: Slotted) -> None:
    own = daemon.settings
    for name, ports in own.ranges.items():
        said = [str(p) for p in daemon.having(**{name: PortRange(ports.first, ports.first)}).settings.problems("x")]
        assert said == [f"x.{name}: has 1 ports for 3 slots; widen it"]
    (problem,) = daemon.having(slots=("a", "a")).settings.problems("x")
    assert problem.path == "x.slots"
    (problem,) = type(own.drain)(deadline=own.drain.deadline.parse("5s")).problems("x.drain")
    assert problem.path == "x.drain.deadline"
