"""uutils, sudo-rs and Valkey beneath a site: its first deploy, changes, and what they leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from lab.demo import write_access
from lab.places import Lab
from livekit_metal.site.inventory import read as inventory_of
from livekit_metal.site.model import Site
from tests.support.calls.rooms import redis
from tests.support.calls.slots import ended, serving
from tests.support.hosts.deploys import Deploy, deploy, unchanging, variant
from tests.support.hosts.lab import INVENTORY, ROOT
from tests.uutils.conftest import FACTS, FIRST


def site() -> Site:
    """With the secrets that the first deploy has made."""
    return inventory_of(ROOT / INVENTORY)


def server() -> str:
    """By its own words; Redis does not say its name."""
    lines = redis(site(), "info server").splitlines()
    return next((line.strip().partition(":")[2] for line in lines if line.startswith("server_name:")), "redis")


@pytest.mark.parametrize("name", ["chown", "install", "sha256sum", "sort", "stat", "timeout"])
def test_the_programs_are_those_of_uutils(host: Host, name: str) -> None:
    """Else nothing here would prove anything."""
    assert "GNU" not in host.check_output(f"{name} --version")
    assert host.check_output(f"dpkg -S $(readlink -f $(command -v {name}))").startswith("rust-coreutils:")


def test_whoever_deploys_gets_root_by_sudo_rs(host: Host) -> None:
    assert FACTS["login"] == "operator"
    assert "sudo-rs" in host.check_output("sudo --version 2>&1")  # it says so where errors go
    assert host.check_output("su operator -s /bin/sh -c 'sudo -n id -u'") == "0"


def test_what_redis_has_kept_becomes_valkeys_and_redis_again(host: Host, tmp_path: Path) -> None:
    """The first deploy is in it. What Redis 8 writes when it starts is nothing that Valkey reads."""
    other = variant(tmp_path, {"redis": {"server": "redis"}})
    for number, (inventory, name) in enumerate(((other, "redis"), (INVENTORY, "valkey"), (other, "redis"))):
        told = deploy(inventory)
        assert told.status == 0, told.text
        write_access(Lab(FACTS["name"]), site())  # what looks at a lab finds it by that
        assert server() == name
        assert redis(site(), f"hset tests:kept {number} here") == "1"
        assert redis(site(), "hlen tests:kept") == str(number + 1)
        unchanging(inventory)
    assert redis(site(), "del tests:kept") == "1"


def test_the_site_as_it_is_deploys_and_a_second_deploy_changes_nothing(host: Host) -> None:
    told = deploy(INVENTORY)
    assert told.status == 0, told.text
    assert server() == "valkey"
    unchanging()


def test_a_change_serves_and_a_rollback_brings_back_what_served_before(tmp_path: Path) -> None:
    before = serving(site(), FIRST)
    changed = variant(tmp_path, {"livekit": {"room": {"empty_timeout": 317}}})
    told = deploy(changed)
    assert told.status == 0, told.text
    after = serving(site(), FIRST)
    assert after.unit != before.unit
    ended(FIRST, before.unit)
    told = Deploy(changed, plan="procedures/rollback.py").end()
    assert told.status == 0, told.text
    assert serving(site(), FIRST).unit != after.unit
    ended(FIRST, after.unit)
    unchanging()


@pytest.mark.parametrize("name", ["status", "doctor", "collect"])
def test_a_procedure_that_only_looks_finds_all_well(name: str, tmp_path: Path) -> None:
    words = ["--data", f"to={tmp_path}/all.tar.gz"] if name == "collect" else []
    told = Deploy(INVENTORY, *words, plan=f"procedures/{name}.py").end()
    assert told.status == 0, told.text
