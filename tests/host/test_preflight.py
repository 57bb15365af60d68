"""Preflight on real hosts: what it refuses, and that it changes nothing then."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from livekit_metal.roles.preflight.queries import probes
from livekit_metal.site.model import HostStack
from tests.support.hosts.deploys import PYINFRA
from tests.support.hosts.lab import INVENTORY, ROOT


def deploy(host: str) -> str:
    """What a deploy of one host prints; it must fail."""
    command = [PYINFRA, "-y", INVENTORY, "deploy.py", "--limit", host]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.fixture
def nft(host: Host) -> Iterator[None]:
    """A firewall of somebody else."""
    host.check_output("nft 'add table inet somebody; add chain inet somebody in { type filter hook input priority 10; "
                      "policy drop; }; add rule inet somebody in accept'")  # fmt: skip
    yield
    host.check_output("nft delete table inet somebody")


def test_it_sees_how_much_room_there_is(host: Host, stack: HostStack) -> None:
    """By the host's own df, which may not know every option: a question without an answer stops nothing."""
    ask = dict(probes(stack.preflight))["preflight.space"]
    said = dict(reversed(line.split()) for line in host.check_output("sh -c %s", ask).splitlines())
    assert len(said) == len({*stack.preflight.roots}), said
    program = "import os, sys; s = os.statvfs(sys.argv[1]); print(s.f_bavail * s.f_frsize >> 20)"
    for directory, megabytes in said.items():
        free = host.check_output("python3 -c %s %s", program, directory)
        assert abs(int(megabytes) - int(free)) < 500


def test_another_firewall_is_refused(host: Host, stack: HostStack, nft: None) -> None:
    said = deploy(stack.host)
    assert "nftables' table inet somebody drops what it does not know" in said
    assert "nft delete table inet somebody" in said


@pytest.fixture
def stranger(host: Host, stack: HostStack) -> Iterator[int]:
    """A process of somebody else on a port of an idle slot."""
    assert stack.livekit is not None
    active = host.check_output(f"sed -n 's/^livekit //p' {stack.livekit.active.file}")
    idle = next(s for s in stack.livekit.slots if s != active)
    port = stack.livekit.part("signal", idle).first
    # HAProxy's health checks knock here too: accept them all
    code = f"import socket\ns = socket.create_server(('127.0.0.1', {port}))\nwhile True: s.accept()[0].close()"
    host.check_output("systemd-run -q --unit=stranger python3 -c %s", code)
    host.check_output(f"timeout 10 sh -c 'until ss -Hltn sport = :{port} | grep -q .; do sleep 0.1; done'")
    yield port
    host.check_output("systemctl stop stranger")


def test_a_taken_port_is_refused_with_who_has_it(host: Host, stack: HostStack, stranger: int) -> None:
    said = deploy(stack.host)
    assert f"port: {stranger}/tcp of livekit/signal-" in said
    assert "is taken by python3 (process " in said


def test_a_deploy_tells_all_findings_at_once(host: Host, stack: HostStack, nft: None, stranger: int) -> None:
    said = deploy(stack.host)
    assert "table inet somebody" in said
    assert f"port: {stranger}/tcp" in said
    assert "Traceback" not in said
