"""Where media comes in on a host, and what clients are told: worked out from its addresses. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.roles.preflight.finding import Finding, finding, no_hairpin, one
from livekit_metal.roles.preflight.settings import Offered, Settings
from livekit_metal.runtime.host.state import HostState

# "eth0 192.0.2.11" of each address
LINKS = ("preflight.links", 'ip -o addr | awk \'{ sub("/.*", "", $4); sub("@.*", "", $2); print $2, $4 }\'')
# Whether there is a way to everybody by IPv6.
ROUTE6 = ("preflight.route6", "ip -6 route get 2000:: >/dev/null && echo there")
# By the names that Docker, Podman, libvirt, LXC and Kubernetes give
_BRIDGE = re.compile(
    r"docker\d*|br-[0-9a-f]{12}|podman\d+|virbr\d+|lxcbr\d+|lxdbr\d+|cni\d+|cali\w+|flannel\.\d+|veth\w+"
)
_TUNNEL = re.compile(r"wg\d+|wg-\w+|tun\d+|tap\d+|tailscale\d+|zt\w+|ppp\d+")
_FAMILIES = {4: "IPv4", 6: "IPv6"}


@dataclass(frozen=True, slots=True)
class Link:
    """An address of a host, and the interface that has it."""

    device: str
    address: str

    def __str__(self) -> str:
        return f"{self.address} ({self.device})"

    @property
    def local(self) -> bool:
        """Of no use to anybody else."""
        found = ipaddress.ip_address(self.address)
        return found.is_loopback or found.is_link_local


def links(lines: Iterable[str]) -> tuple[Link, ...]:
    """The addresses of a host, from the answer to :data:`LINKS`."""
    found = (Link(*words) for line in lines if len(words := line.split()) == 2)
    return tuple(link for link in found if not link.local)


def takes(offered: Offered, there: Iterable[Link]) -> tuple[Link, ...]:
    """Those that livekit-server binds for media (upstream: the filters of rtc.interfaces and rtc.ips)."""
    networks = [ipaddress.ip_network(each, strict=False) for each in offered.networks]
    return tuple(
        link
        for link in there
        if (not offered.interfaces or link.device in offered.interfaces)
        and any(ipaddress.ip_address(link.address) in network for network in networks)
    )


def words(offered: Offered, lines: Iterable[str]) -> str:
    """For status: what clients are told, where it comes in, and what is left out."""
    there = links(lines)
    taken = takes(offered, there)
    left = [link for link in there if link not in taken]
    told = " and ".join((offered.node_ip, *offered.inside))
    said = f"clients are told {told}; comes in at {', '.join(map(str, taken)) or 'no address'}"
    return said + (f"; not at {', '.join(map(str, left))}" if left else "")


def media(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Combinations that leave clients without media, with the reason."""
    if not (offered := settings.offered):
        return
    path, there = f"hosts.{settings.host}", links(seen.answers[LINKS[0]])
    devices = {link.device for link in there}
    if strange := [name for name in offered.interfaces if name not in devices]:
        fact = f"{', '.join(strange)} has no address here (there are: {', '.join(sorted(devices)) or 'none'})"
        yield Finding(Problem(f"{path}.interfaces", fact, "correct it, or leave it empty: then ips decides"))
        return
    taken = takes(offered, there)
    found = {ipaddress.ip_address(link.address).version for link in taken}
    told = {ipaddress.ip_address(each).version for each in offered.node_ip.split(",")}
    for family in sorted(told - found) if offered.narrowed else ():  # else it is on no interface: a finding by itself
        fact = f"no {_FAMILIES[family]} address is left for media (there are: {', '.join(map(str, there)) or 'none'})"
        yield Finding(
            Problem(f"{path}.ips", f"{fact}, and clients are told {offered.node_ip}", "widen ips or interfaces")
        )
    yield from _inside(settings, offered, taken)
    yield from _ipv6(settings, offered, seen)
    yield from _hairpin(settings, offered, seen)


def _inside(settings: Settings, offered: Offered, taken: Iterable[Link]) -> Iterator[Finding]:
    """Interfaces that lead to nobody outside, where no NAT leads in."""
    for link in taken:
        if _BRIDGE.fullmatch(link.device):
            remedy = f"name the address of the network's interface (hosts.{settings.host}.address)"
            fact = f"would come in at {link}, a bridge of containers or of guests on this host: no client gets there"
            yield finding(settings, "media", fact, remedy)
        elif _TUNNEL.fullmatch(link.device) and link.address in offered.node_ip.split(","):
            fact = f"comes in at {link}, a tunnel: clients outside of it cannot call"
            yield finding(settings, "media", fact, "nothing, where that is meant", stops=False)


def _ipv6(settings: Settings, offered: Offered, seen: HostState) -> Iterator[Finding]:
    """A client that is told of an address which it cannot reach waits for it."""
    public = [a for a in offered.node_ip.split(",") if ":" in a and not ipaddress.ip_address(a).is_private]
    if public and not one(seen, "route6"):
        fact = f"{public[0]} is told to clients, and {settings.host} has no route for IPv6"
        remedy = f"give it one (ip -6 route), or leave hosts.{settings.host}.ipv6 empty"
        yield finding(settings, "ipv6 route", fact, remedy)


def _hairpin(settings: Settings, offered: Offered, seen: HostState) -> Iterator[Finding]:
    if one(seen, "hairpin") != "lost":
        return
    fact = f"{no_hairpin(settings)}: clients that can only use TURN will hear nothing"
    remedy = f"set hosts.{settings.host}.inside, or ask for NAT loopback (docs/network.md)"
    if offered.over_tls:
        remedy += ", or leave livekit.turn.domain empty"
    yield finding(settings, "hairpin", fact, remedy, stops=offered.over_tls)
