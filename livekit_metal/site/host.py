"""A host as the inventory describes it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import REQUIRED, Checked, derived, option
from livekit_metal.core.types.text import Address, Endpoint, File, Interface, Network, User, is_address

_ADDRESSES = ("address", "public", "ipv6", "cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh(Checked):
    """How to log in. Keys, known hosts and jump hosts left empty come from OpenSSH's configuration for the address."""

    user: User = option("root", "root, or a user with sudo without password")
    port: int = option(22, "port of sshd; also opened in the firewall for firewall.admin")
    key: File = option("", "private key file")
    known_hosts: File = option("", "file with the host keys; an unknown or changed key is refused")
    config: File = option("", "OpenSSH client configuration file (jump hosts)")

    def problems(self, path: str) -> Iterator[Problem]:
        if not 1 <= self.port <= 65535:
            yield Problem(f"{path}.port", f"is {self.port}", "choose a port in 1-65535")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Checked):
    """A host: where it is, and what runs there."""

    address: Address = option(REQUIRED, "IP address for SSH, and for everything below that is left empty")
    public: Address = option(
        "",
        "IP address that clients reach (rtc.node_ip), where NAT makes it another one; discover: it changes, and each "
        "deploy asks the host for it (by stun)",
    )
    stun: tuple[Endpoint, ...] = option(
        ("stun.cloudflare.com:3478", "stun.l.google.com:19302"),
        "with public discover: STUN servers; all of them must see an address before it takes the place of another",
    )
    inside: bool = option(
        False,
        "clients and daemons in the network of address are told that one too, beside public "
        "(rtc.advertise_internal_ip; livekit-server 1.13.6 or newer): they need no hairpin NAT",
    )
    ipv6: Address = option("", "IPv6 address on an interface here, where clients may reach the host by that too")
    cluster: Address = option("", "IP address that the other hosts reach; a private network is best")
    ips: tuple[Network, ...] = option(
        (), "networks: media comes in at the addresses of this host in them (rtc.ips); default: address and ipv6 alone"
    )
    interfaces: tuple[Interface, ...] = option((), "interfaces that media comes in by (rtc.interfaces); default: any")
    roles: tuple[str, ...] = option(REQUIRED, "what runs here: names of roles that hosts carry, listed below")
    settings: Mapping[str, Any] = option(
        {},
        "settings of roles for this host alone, such as {'livekit': {'region': 'fra'}}, laid over those of the site; "
        "what must be the same on every host is refused",
    )
    arch: Literal["amd64", "arm64"] = option("amd64", "architecture, as Debian calls it")
    ssh: Ssh = option(Ssh(), "how to log in")

    discovered: bool = derived(False)  # the inventory's ``public`` is discover

    def __post_init__(self) -> None:
        for name in _ADDRESSES:  # one spelling each: they are compared as text
            if is_address(value := getattr(self, name)):
                object.__setattr__(self, name, str(ipaddress.ip_address(value)))

    @property
    def public_address(self) -> str:
        return self.public or self.address

    @property
    def node_ip(self) -> str:
        """What clients are told, as upstream writes it: one address, or IPv4 and IPv6 with a comma."""
        return ",".join(filter(None, (self.public_address, self.ipv6)))

    @property
    def told(self) -> tuple[str, ...]:
        """Every address that clients are told, those inside last."""
        there = dict.fromkeys((self.address, self.cluster_address)) if self.inside else ()
        networks = [ipaddress.ip_network(each, strict=False) for each in self.media_networks]
        found = [a for a in there if any(ipaddress.ip_address(a) in network for network in networks)]
        return (*self.node_ip.split(","), *found)

    @property
    def media_networks(self) -> tuple[str, ...]:
        """Where addresses must be that take media: by default those that clients come to and no other, whatever
        bridges and tunnels there are. As networks: upstream refuses a bare address.
        """
        found = (ipaddress.ip_address(each) for each in (self.address, self.ipv6) if each)
        return self.ips or tuple(f"{each}/{each.max_prefixlen}" for each in found)

    @property
    def cluster_address(self) -> str:
        return self.cluster or self.address

    def problems(self, path: str) -> Iterator[Problem]:
        yield from self._media(path)
        if not self.stun:
            yield Problem(f"{path}.stun", "is empty", "name a server, or leave it out")
        if len(set(self.roles)) != len(self.roles):
            yield Problem(f"{path}.roles", "names a role twice", "name it once")

    def _media(self, path: str) -> Iterator[Problem]:
        """Combinations that livekit-server cannot serve, or that would leave clients without media."""
        if self.ipv6 and ":" not in self.ipv6:
            yield Problem(f"{path}.ipv6", f"{self.ipv6} is not an IPv6 address", "IPv4 goes into address and public")
        elif self.ipv6 and ":" in self.public_address:
            remedy = "leave ipv6 empty: that address is told to clients already"
            yield Problem(f"{path}.ipv6", f"goes beside IPv4, and clients come to {self.public_address}", remedy)
        if self.inside and self.public_address == self.address:
            fact = f"is True, and clients are told {self.address} as it is"
            yield Problem(f"{path}.inside", fact, "drop it, or say in public what NAT makes of that address")
        if (":" in self.address) != (":" in self.public_address):
            fact = f"{self.public_address} and address {self.address} are of two families: no 1:1 NAT does that"
            yield Problem(f"{path}.public", fact, "give both as IPv4 or both as IPv6")


def name_problem(name: str) -> str:
    """What is wrong with a host's name, or ''."""
    return "" if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", name) else "is not a host name"
