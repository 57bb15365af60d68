"""Hosts that cannot be reached, are not who they were, or are not fit: told, and nothing is changed on any host."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.hosts.deploys import deploy, unchanging
from tests.support.hosts.lab import INVENTORY, Lab


def _nobody(lab: Lab) -> str:
    """An address of the lab's network that no machine has."""
    return str(list(ipaddress.ip_network(lab.facts["network"]).hosts())[-1])


def test_an_unreachable_host_stops_the_deploy_for_all(
    change: Change, lab: Lab, site: Site, untouched: AbstractContextManager[None]
) -> None:
    first = next(iter(site.hosts.values()))
    gone = {"address": _nobody(lab), "roles": ["livekit"], "ssh": {"known_hosts": first.ssh.known_hosts}}
    with untouched:
        told = deploy(change({"hosts": {"gone": gone}}))
    told.refused(f"hosts.gone: {gone['address']} cannot be reached", "--exclude gone")


def _ssh(site: Site, **settings: str) -> Mapping[str, Any]:
    return {"hosts": {name: {"ssh": settings} for name in site.hosts}}


def _other_key(directory: Path) -> str:
    """A host key that no host has, as a line of known_hosts wants it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "other"], check=True)
    kind, key = (directory / "other.pub").read_text().split()[:2]
    return f"{kind} {key}"


def test_a_changed_host_key_is_refused(
    change: Change, tmp_path: Path, site: Site, untouched: AbstractContextManager[None]
) -> None:
    """The last host's: those before it have been connected to when it is found."""
    known, key = tmp_path / "known_hosts", _other_key(tmp_path)
    name, host = list(site.hosts.items())[-1]
    known.write_text(f"{host.address} {key}\n")
    with untouched:
        told = deploy(change({"hosts": {name: {"ssh": {"known_hosts": str(known)}}}}))
    told.refused(f"hosts.{name}: ", "host key", "has changed", str(known))


def test_an_unknown_host_key_is_refused(
    change: Change, tmp_path: Path, site: Site, untouched: AbstractContextManager[None]
) -> None:
    known = tmp_path / "known_hosts"
    known.touch()
    with untouched:
        told = deploy(change(_ssh(site, known_hosts=str(known))))
    for name, host in site.hosts.items():
        told.refused(f"hosts.{name}: ", "host key", str(known), f"ssh-keyscan {host.address}")
    assert known.read_text() == ""


def test_a_limit_that_matches_nothing_is_refused(site: Site, untouched: AbstractContextManager[None]) -> None:
    with untouched:
        told = deploy(INVENTORY, "--limit", "nobody")
    told.refused("--limit", "no host", ", ".join(site.hosts))


def test_a_user_without_sudo_is_refused(change: Change, site: Site, untouched: AbstractContextManager[None]) -> None:
    with untouched:
        told = deploy(change(_ssh(site, user="nosudo")))
    told.refused("lock: cannot be taken: cannot become root", "give the login user sudo")


def test_a_user_with_sudo_finds_nothing_to_do(change: Change, site: Site) -> None:
    unchanging(change(_ssh(site, user="operator")))


@pytest.fixture
def foreign(first: Host) -> Iterator[None]:
    """The first host says that it is of another distribution."""
    first.check_output("rm /etc/os-release; printf %s > /etc/os-release", "ID=slackware\nVERSION_ID=15.0\n")
    yield
    first.check_output("ln -sf ../usr/lib/os-release /etc/os-release")


@pytest.mark.usefixtures("foreign")
def test_an_unsupported_system_is_refused(site: Site, untouched: AbstractContextManager[None]) -> None:
    """On one host: the others, which are fit, must not be changed either."""
    with untouched:
        deploy().refused("os: is slackware 15.0", "use Debian 12 or 13")


def test_fewer_media_ports_than_cores_are_refused(
    change: Change, first: Host, site: Site, untouched: AbstractContextManager[None]
) -> None:
    cores, slots = int(first.check_output("nproc")), len(site.livekit.slots)
    if cores == 1:
        pytest.skip("every range is large enough for one core")
    small = f"40000-{40000 + slots * (cores - 1) - 1}"
    with untouched:
        deploy(change({"livekit": {"media_udp": small}})).refused("livekit.media_udp", f"{cores} cores")
