"""What else runs on a host beside LiveKit, as the inventory names it: what stays open, and what may be closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option
from livekit_metal.core.ports import PortRange, Proto
from livekit_metal.core.types.text import Network

# What tunnels of the kernel travel in when it is neither TCP nor UDP: IP protocol numbers, IANA.
RAW = {"gre": 47, "esp": 50, "ah": 51, "ipip": 4, "ipv6": 41, "l2tp": 115}
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_ANY_SUCH = re.compile(r"[A-Za-z0-9_.:@-]{1,14}\*")
_CLOSED = re.compile(r"(?P<port>[0-9]+(-[0-9]+)?)/(tcp|udp)")
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,63}")
_PURPOSE = 100  # characters
_PORT = "port, or range of ports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(Checked):
    """A port that is none of LiveKit's and stays reachable."""

    port: PortRange | None = option(None, f"{_PORT}; none with a protocol that has none")
    proto: Literal["tcp", "udp", "gre", "esp", "ah", "ipip", "ipv6", "l2tp"] = option(
        "tcp", "protocol: tcp and udp have ports, the others are those of tunnels (ipv6: 6in4)"
    )
    networks: tuple[Network, ...] = option((), "networks that may connect; empty: everybody")
    interface: str = option("", "interface that connections must come in by; empty: any; br-* is all that begin so")
    purpose: str = option("", "what for; stands in the rules")

    def __str__(self) -> str:
        return f"{self.port}/{self.proto}" if self.port else self.proto

    def covers(self, proto: str, ports: PortRange | None = None) -> bool:
        """Whether it has any of these in it, whoever may connect."""
        if self.proto != proto:
            return False
        return self.port is None or ports is None or self.port.overlaps(ports)

    @property
    def to_all(self) -> bool:
        """Whether everybody may connect."""
        return not (self.networks or self.interface)

    def problems(self, path: str) -> Iterator[Problem]:
        if self.port is None and self.proto not in RAW:
            yield Problem(f"{path}.port", "is missing", f"set it: {_PORT}")
        if self.port is not None and self.proto in RAW:
            yield Problem(f"{path}.port", f"is {self.port}, and {self.proto} has no ports", "leave it out")
        if self.interface and (said := interface_problem(self.interface)):
            yield Problem(f"{path}.interface", said, "write a name such as eth1")
        if len(self.purpose) > _PURPOSE or not self.purpose.isprintable():
            remedy = f"write one line of {_PURPOSE} characters at most"
            yield Problem(f"{path}.purpose", f"is {self.purpose[:_PURPOSE]!r}", remedy)


def interface_problem(name: str) -> str:
    """What is wrong with the name of an interface (15 characters at most, IFNAMSIZ), or ''."""
    return (
        "" if _INTERFACE.fullmatch(name) or _ANY_SUCH.fullmatch(name) else f"{name!r} is not the name of an interface"
    )


def closed_problem(entry: str) -> str:
    """What is wrong with an entry of firewall.closed, or ''."""
    if match := _CLOSED.fullmatch(entry):
        try:
            PortRange.parse(match["port"])
        except ValueError as error:
            return str(error).partition(";")[0]
        return ""
    return "" if _PROGRAM.fullmatch(entry) and not entry.isdigit() else f"{entry!r} is neither a port nor a program"


def ports_of(entry: str) -> tuple[str, PortRange] | None:
    """Protocol and ports that an entry of firewall.closed names; None when it names a program."""
    match = _CLOSED.fullmatch(entry)
    return (entry.rpartition("/")[2], PortRange.parse(match["port"])) if match else None


def given_up(entry: str, proto: Proto, port: int, program: str) -> bool:
    """Whether an entry of firewall.closed names what ``program`` listens on."""
    if named := ports_of(entry):
        return named[0] == proto and named[1].first <= port <= named[1].last
    return bool(program) and entry == program
