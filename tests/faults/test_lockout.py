"""Firewall changes that would lock the operator out, or die half-way: the confirmed rules come back by themselves."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.hosts.deploys import Deploy, deploy, unchanging
from tests.support.hosts.killed_deploys import settled
from tests.support.hosts.lab import ROOT, Lab

CONFIRM = 10  # s, the least that a site may name; half of them are for the attempt to log in
WRAPPER = "/usr/local/sbin/nft"
TIMER, SERVICE = "livekit-firewall-rollback.timer", "livekit-firewall-rollback.service"
LOADED = "firewall: log in again"  # what a deploy says when the rules are loaded and not yet confirmed


@pytest.fixture
def wider(change: Change, site: Site) -> Callable[..., Path]:
    """An inventory with one more administrator; where everybody was one, the hosts' own networks are."""
    near = {str(ipaddress.ip_network(f"{host.address}/24", strict=False)) for host in site.hosts.values()}
    before = near if "0.0.0.0/0" in site.firewall.admin else site.firewall.admin

    def make(admin: str, confirm: int = CONFIRM) -> Path:
        return change({"firewall": {"admin": [*before, admin], "confirm": confirm}})

    return make


@pytest.fixture
def nft(first: Host) -> Iterator[Callable[[str], None]]:
    """Has ``nft`` on the first host be the given shell text."""

    def put(text: str) -> None:
        first.check_output("printf '%%s\\n' '#!/bin/sh' %s > %s && chmod 755 %s", text, WRAPPER, WRAPPER)

    yield put
    first.check_output("rm -f %s", WRAPPER)


def rules(host: Host) -> str:
    return host.check_output("nft -s list table inet livekit_metal")


def logs_in(lab: Lab, name: str) -> bool:
    """Over a connection of its own."""
    command = [
        "ssh",
        "-F",
        lab.directory / "ssh_config",
        "-o",
        "ControlPath=none",
        "-o",
        "ConnectTimeout=2",
        name,
        "true",
    ]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


# After the new rules are loaded, nobody can log in any more.
SHUT = """/usr/sbin/nft "$@" || exit
case "$1 $2" in "-f "*main.nft.new)
  /usr/sbin/nft insert rule inet livekit_metal input tcp dport 22 ct state new drop ;;
esac"""
REFUSE = """case "$1" in -c) set -- -c 'no such thing' ;; esac; exec /usr/sbin/nft "$@" """


def test_rules_that_keep_us_out_are_not_confirmed_and_go(
    lab: Lab, site: Site, first: Host, wider: Callable[..., Path], nft: Callable[[str], None]
) -> None:
    name, before = next(iter(site.hosts)), rules(first)
    nft(SHUT)
    deploy(wider("198.51.100.9/32")).refused("no new SSH connection", f"by themselves within {CONFIRM} s")
    assert not logs_in(lab, name), "else nothing was proved"
    assert "198.51.100.9" in rules(first), "the connection that was there before lives"
    assert wait_until(lambda: logs_in(lab, name), CONFIRM + 5, every=0.2), "nobody can log in again"
    assert rules(first) == before
    assert first.run(f"systemctl is-active {TIMER}").stdout.strip() == "inactive"
    unchanging()


def killed(inventory: Path, host: Host) -> None:
    """A deploy that dies when its rules are in force and unconfirmed."""
    running = Deploy(inventory)
    assert running.until(lambda line: LOADED in line)
    running.kill()
    settled(host)


def test_a_deploy_killed_before_it_confirmed_is_undone_by_the_timer(first: Host, wider: Callable[..., Path]) -> None:
    before = rules(first)
    killed(wider("198.51.100.9/32"), first)
    assert "198.51.100.9" in rules(first)
    assert first.check_output(f"systemctl is-active {TIMER}") == "active"
    assert wait_until(lambda: rules(first) == before, CONFIRM + 5, every=0.2), "the old rules are back"
    unchanging()


@pytest.mark.long
def test_what_nobody_confirmed_is_never_what_a_rollback_brings(
    lab: Lab, site: Site, first: Host, wider: Callable[..., Path], nft: Callable[[str], None]
) -> None:
    """A second change, that locks us out, while the rollback of a first one is armed."""
    name, before = next(iter(site.hosts)), rules(first)
    killed(wider("198.51.100.9/32"), first)
    nft(SHUT)
    deploy(wider("203.0.113.9/32")).refused("no new SSH connection", "by themselves")
    assert wait_until(lambda: logs_in(lab, name), CONFIRM + 5, every=0.2), "nobody can log in again"
    assert rules(first) == before


@pytest.mark.long
def test_a_rerun_while_a_rollback_is_armed_confirms(first: Host, wider: Callable[..., Path]) -> None:
    inventory = wider("198.51.100.9/32", 300)  # time for a whole deploy on an emulated machine, a call included
    killed(inventory, first)
    assert deploy(inventory).status == 0
    # transient units: once they are gone, nothing on the host knows of a rollback
    assert first.check_output(f"systemctl list-units --all --plain --no-legend {TIMER} {SERVICE}") == ""
    assert "198.51.100.9" in rules(first)
    unchanging(inventory)
    assert deploy().status == 0
    assert "198.51.100.9" not in rules(first)


def test_rules_that_nft_refuses_change_nothing(
    first: Host, site: Site, wider: Callable[..., Path], nft: Callable[[str], None]
) -> None:
    def state() -> tuple[str, str]:
        return rules(first), first.check_output(f"cd {site.paths.config}/firewall; ls -l; cat *")

    before = state()
    nft(REFUSE)
    told = deploy(wider("198.51.100.9/32"))
    assert told.status > 0
    assert "firewall: load the rules" in told.text
    assert "syntax error" in told.text
    assert state() == before


def test_an_operator_who_is_not_among_the_administrators_is_refused(
    lab: Lab, change: Change, untouched: AbstractContextManager[None]
) -> None:
    with untouched:
        told = deploy(change({"firewall": {"admin": ["192.0.2.0/24"]}}))
    told.refused("firewall.admin: your own address", f"add '{lab.facts['gateway']}/32'")


def test_what_somebody_changed_by_hand_is_set_right_and_other_tables_stay(first: Host) -> None:
    before = rules(first)
    first.check_output("nft insert rule inet livekit_metal input tcp dport 9999 accept; nft add table ip foreign")
    try:
        assert deploy().status == 0
        assert rules(first) == before
        assert "table ip foreign" in first.check_output("nft list tables")
    finally:
        first.run("nft delete table ip foreign")
    unchanging()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("echo 'garbage {' >> %s", id="broken"),
        pytest.param(": > %s", id="empty", marks=pytest.mark.long),
        pytest.param("rm %s", id="gone", marks=pytest.mark.long),
    ],
)
def test_a_boot_without_the_rules_is_closed_to_all_but_administrators(
    lab: Lab, site: Site, first: Host, damage: str
) -> None:
    name, host = next(iter(site.hosts.items()))
    before = rules(first)
    first.check_output(damage + "; sync", site.for_host(name).firewall.main)
    subprocess.run([sys.executable, "-m", "lab", "reboot", "--name", lab.facts["name"], name], check=True, cwd=ROOT)
    assert 'comment "fallback"' in rules(first)
    assert first.run("systemctl is-failed livekit-firewall.service").stdout.strip() == "failed"
    public = site.for_host(name).edge.http.first
    assert _refuses_strangers(lab, host.address, public)
    told = deploy()
    assert told.status == 0
    assert re.search(r"note .*the rules could not be loaded at boot", told.text)
    assert rules(first) == before
    unchanging()


def _refuses_strangers(lab: Lab, address: str, port: int) -> bool:
    connect = f"import socket; socket.create_connection(({address!r}, {port}), timeout=2)"
    inside = ["ip", "netns", "exec", lab.facts["outside"]["namespace"], sys.executable, "-c", connect]
    return subprocess.run(inside, check=False, capture_output=True).returncode != 0
