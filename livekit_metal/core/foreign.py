"""What else runs on a host beside LiveKit, as the inventory names it: what stays open, and what may be closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import REQUIRED, Checked, option
from livekit_metal.core.ports import PortRange, Proto
from livekit_metal.core.types.text import Network

_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_ANY_SUCH = re.compile(r"[A-Za-z0-9_.:@-]{1,14}\*")
_CLOSED = re.compile(r"(?P<port>[0-9]+(-[0-9]+)?)/(tcp|udp)")
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,63}")
_PURPOSE = 100  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(Checked):
    """A port that is none of LiveKit's and stays reachable."""

    port: PortRange = option(REQUIRED, "port, or range of ports")
    proto: Literal["tcp", "udp"] = option("tcp", "protocol")
    networks: tuple[Network, ...] = option((), "networks that may connect; empty: everybody")
    interface: str = option("", "interface that connections must come in by; empty: any; br-* is all that begin so")
    purpose: str = option("", "what for; stands in the rules")

    def __str__(self) -> str:
        return f"{self.port}/{self.proto}"

    def problems(self, path: str) -> Iterator[Problem]:
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


def given_up(entry: str, proto: Proto, port: int, program: str) -> bool:
    """Whether an entry of firewall.closed names what ``program`` listens on."""
    if match := _CLOSED.fullmatch(entry):
        named = PortRange.parse(match["port"])
        return entry.endswith(f"/{proto}") and named.first <= port <= named.last
    return bool(program) and entry == program
