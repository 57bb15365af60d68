"""A boot of a host: at no moment of it a stranger gets to a port that is not open."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from livekit_metal.roles.firewall.settings import UNIT
from tests.support.hosts.deploys import deploy, unchanging
from tests.vm.conftest import Machine

PORT = 19999  # of nobody
EARLY = "tests-early.service"
# Listens before any network is there, as what a distribution starts early may.
LISTENER = f"""[Unit]
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target
After=local-fs.target
[Service]
ExecStart=/usr/bin/python3 -c "import socket; s = socket.create_server(('', {PORT}))\\nwhile 1: s.accept()"
[Install]
WantedBy=sysinit.target
"""
KNOCK = (Path(__file__).parent / "knock.py").read_text()


@pytest.fixture(scope="module", autouse=True)
def listener(first: Host) -> Iterator[None]:
    first.check_output(f"printf '%%s' %s > /etc/systemd/system/{EARLY}; systemctl enable -q {EARLY}; sync", LISTENER)
    yield
    first.check_output(f"systemctl disable -q --now {EARLY}; rm /etc/systemd/system/{EARLY}")


@contextlib.contextmanager
def knocking(vm: Machine) -> Iterator[list[int]]:
    """A stranger tries the port all the time; afterwards the list holds how often, and how often it was let in."""
    command = ["ip", "netns", "exec", vm.namespace, sys.executable, "-c", KNOCK, vm.address, str(PORT)]
    counts: list[int] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger:
        yield counts
        said, _ = stranger.communicate(timeout=30)
    counts += map(int, said.split())


def test_a_stranger_is_let_in_at_no_moment_of_a_boot(vm: Machine) -> None:
    with knocking(vm) as counts:
        vm.power("reboot")
    tried, let_in = counts
    assert vm.host.check_output("systemctl is-active %s", EARLY) == "active"
    assert tried > 10
    assert let_in == 0


def test_without_the_rules_the_same_stranger_is_let_in(vm: Machine) -> None:
    """So the test above sees what it should."""
    vm.host.check_output("systemctl disable -q %s", UNIT)
    with knocking(vm) as counts:
        vm.power("reboot")
    vm.host.check_output(
        "systemctl stop %s", EARLY
    )  # what listens and is not known would keep a deploy from closing it
    told = deploy()
    assert told.status == 0, told.text
    assert counts[1] > 0
    unchanging()
