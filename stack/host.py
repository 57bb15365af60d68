"""A host as the inventory describes it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from stack.errors import Problem
from stack.fields import REQUIRED, Checked, option

RoleName = Literal["livekit", "egress", "ingress", "sip", "redis", "prometheus"]
CALLERS = ("livekit", "egress", "ingress", "sip")  # roles that need Redis, and livekit-server through an edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh(Checked):
    """How to log in. Keys, known hosts and jump hosts left empty come from OpenSSH's configuration for the address."""

    user: str = option("root", "root, or a user with sudo without password")
    port: int = option(22, "port of sshd; also opened in the firewall for firewall.admin")
    key: str = option("", "private key file")
    known_hosts: str = option("", "file with the host keys; an unknown or changed key is refused")
    config: str = option("", "OpenSSH client configuration file (jump hosts)")

    def problems(self, path: str) -> Iterator[Problem]:
        if not 1 <= self.port <= 65535:
            yield Problem(f"{path}.port", f"is {self.port}", "choose a port in 1-65535")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Checked):
    """A host: where it is, and what runs there."""

    address: str = option(REQUIRED, "IP address for SSH, and for everything below that is left empty")
    public: str = option("", "IP address that clients reach (rtc.node_ip), where NAT makes it another one")
    cluster: str = option("", "IP address that the other hosts reach; a private network is best")
    roles: tuple[RoleName, ...] = option(REQUIRED, "what runs here: livekit, egress, ingress, sip, redis, prometheus")
    arch: Literal["amd64", "arm64"] = option("amd64", "architecture, as Debian calls it")
    ssh: Ssh = option(Ssh(), "how to log in")

    def __post_init__(self) -> None:
        for name in ("address", "public", "cluster"):  # one spelling each: they are compared as text
            if _is_address(value := getattr(self, name)):
                object.__setattr__(self, name, str(ipaddress.ip_address(value)))

    @property
    def calls(self) -> bool:
        """Whether a role here needs an edge."""
        return any(role in self.roles for role in CALLERS)

    @property
    def public_address(self) -> str:
        return self.public or self.address

    @property
    def cluster_address(self) -> str:
        return self.cluster or self.address

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("address", "public", "cluster"):
            value = getattr(self, name)
            if value and not _is_address(value):
                remedy = "write an IP address; names are for ssh.config"
                yield Problem(f"{path}.{name}", f"{value!r} is no IP address", remedy)
        if len(set(self.roles)) != len(self.roles):
            yield Problem(f"{path}.roles", "names a role twice", "name it once")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def name_problem(name: str) -> str:
    """What is wrong with a host's name, or ''."""
    return "" if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", name) else "is no host name"
