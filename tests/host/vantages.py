"""Places to look at a host from (this machine, a stranger's namespace, the other hosts), and what to look at."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from testinfra.host import Host

from livekit_metal.core.ports import Port, Proto, Reach
from livekit_metal.site.model import HostStack
from tests.support.hosts.lab import Lab

SCAN = (Path(__file__).parents[1] / "support/hosts/port_scan.py").read_text()
Ports = set[tuple[str, int]]
STRANGE = (1, 53, 111, 1024, 2222, 8888, 19999, 28888, 47777, 65535)  # in no range of any site under test


@dataclass(frozen=True)
class Vantage:
    """A place where commands can be run. ``roles`` are those of the host that it is."""

    name: str
    prefix: tuple[str, ...]
    roles: frozenset[str] = frozenset()
    admin: bool = False
    carrier: bool = False  # its address is the network of the lab's SIP trunk
    remote: bool = False

    def command(self, *words: str) -> list[str]:
        return [*self.prefix, shlex.join(words)] if self.remote else [*self.prefix, *words]

    def probe(self, address: str, ports: Iterable[tuple[str, int]], seconds: float = 2.5) -> tuple[Ports, Ports]:
        """What of ``ports`` is reached at ``address``, and what the host refuses by itself.

        2.5 s: a packet that got lost is sent once more after one second.
        """
        python = "python3" if self.remote else sys.executable
        command = self.command(python, "-c", SCAN, "probe", address, str(seconds))
        done = subprocess.run(command, input=_line(ports), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = [line.split() for line in done.stdout.splitlines()]
        return _ports(w for o, w in found if o == "open"), _ports(w for o, w in found if o == "refused")


def _line(ports: Iterable[tuple[str, int]]) -> str:
    return " ".join(f"{proto}:{port}" for proto, port in sorted(ports)) + "\n"


def _ports(words: Iterable[str]) -> Ports:
    return {(proto, int(port)) for proto, _, port in (word.partition(":") for word in words)}


def over_ssh(lab: Lab, host: str) -> tuple[str, ...]:
    return ("ssh", "-F", str(lab.directory / "ssh_config"), host)


def controller() -> Vantage:
    return Vantage("controller", (), admin=True, carrier=True)


def outside(lab: Lab) -> Vantage:
    """A stranger's; where SSH is open to all, as it is by default, a stranger is as good as an administrator."""
    admin = _administers(lab, lab.facts["outside"]["address"])
    return Vantage("outside", ("ip", "netns", "exec", lab.facts["outside"]["namespace"]), admin=admin)


def _administers(lab: Lab, address: str) -> bool:
    return any(ip_address(address) in ip_network(each) for each in lab.site.firewall.admin)


def to_all(lab: Lab, host: str) -> Ports:
    """What of a host is reached even while nothing but administrators is let in."""
    stack = lab.site.for_host(host)
    return {at for at, port in in_registry(stack).items() if port.reach is Reach.ADMIN and outside(lab).admin}


def link_local(host: Host, address: str) -> str:
    """The host's IPv6 address of the link that its ``address`` is on; empty where there is none."""
    device = host.check_output("ip -o address show to %s | awk '{ print $2 }'", address)
    found = re.search(r"inet6 (fe80::\S+)/64", host.check_output("ip -6 address show dev %s scope link", device))
    return found[1] if found else ""


def peers(lab: Lab, host: str) -> list[Vantage]:
    """Every other host of the lab."""
    return [
        Vantage(name, over_ssh(lab, name), frozenset(other.roles), admin=_administers(lab, other.address), remote=True)
        for name, other in lab.site.hosts.items()
        if name != host
    ]


@contextmanager
def listening(lab: Lab, host: str, ports: Iterable[tuple[str, int]]) -> Iterator[Ports]:
    """Listeners on ``host``; gives those of ``ports`` that a daemon has already. They end with us, however we end."""
    command = [*over_ssh(lab, host), shlex.join(["python3", "-c", SCAN, "listen"])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as remote:
        assert remote.stdin is not None
        assert remote.stdout is not None
        remote.stdin.write(_line(ports))
        remote.stdin.flush()
        try:
            word, *taken = remote.stdout.readline().split() or [""]
            assert word == "taken", "there are no listeners"
            yield _ports(taken)
        finally:
            remote.stdin.close()
            remote.wait(timeout=10)


def in_registry(stack: HostStack) -> dict[tuple[str, int], Port]:
    """Every single port that the site names for a host."""
    return {(p.proto.value, n): p for p in stack.ports for n in range(p.range.first, p.range.last + 1)}


def samples(stack: HostStack) -> Ports:
    """The edges and the middle of every range, what lies beside it, and a few ports of nobody."""
    found = {(proto.value, n) for proto in Proto for n in STRANGE}
    for port in stack.ports:
        first, last = port.range.first, port.range.last
        found |= {(port.proto.value, n) for n in (first - 1, first, (first + last) // 2, last, last + 1)}
        found |= {(proto.value, first) for proto in Proto}  # a TCP port is no UDP port
    return found
