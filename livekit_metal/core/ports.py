"""The one registry of ports. Whatever needs to know about a port asks here.

A role declares its ports in ``Settings.ports()``; the site puts those of one host together. Daemon configs, listen
addresses, the firewall, reserved ports, scrape targets, preflight, host tests and docs/ports.md come from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from livekit_metal.core.errors import Problem


class Reach(StrEnum):
    """Who may open a connection to a port from another machine."""

    PUBLIC = "PUBLIC"  # anybody
    CLUSTER = "CLUSTER"  # hosts of the site (only those with a role in Port.clients, when that is set)
    TRUNK = "TRUNK"  # the networks of SIP trunks that Port.clients names
    ADMIN = "ADMIN"  # the operator's networks (site.firewall.admin)
    LOCAL = "LOCAL"  # nobody: for the host itself


class Proto(StrEnum):
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports ``first`` to ``last``, both included; written ``"50000-60000"`` or ``7881`` in an inventory."""

    first: int
    last: int

    @classmethod
    def parse(cls, value: object) -> PortRange:
        """Raises ValueError ``fact; remedy`` for anything that is no range of ports."""
        if isinstance(value, cls):
            return value
        text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
        first, dash, last = text.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(f"is {value!r}; write a port (7881) or a range ('50000-60000')")
        made = cls(int(first), int(last if dash else first))
        if made.first > made.last:
            raise ValueError(f"{value} runs backwards; write it as '{made.last}-{made.first}'")
        if not 1 <= made.first <= made.last <= 65535:
            raise ValueError(f"{value} is outside 1-65535; choose ports inside")
        return made

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def split(self, parts: int) -> tuple[PortRange, ...]:
        """Cut into ``parts`` neighbouring ranges of nearly equal size (the first ones are longer).

        Raises ValueError when there are fewer ports than parts.
        """
        size, longer = divmod(len(self), parts)
        if size == 0:
            raise ValueError(f"{self} has {len(self)} ports for {parts} slots; widen it")
        cuts, first = [], self.first
        for i in range(parts):
            last = first + size - 1 + (i < longer)
            cuts.append(PortRange(first, last))
            first = last + 1
        return tuple(cuts)

    def overlaps(self, other: PortRange) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Port:
    """A port, or a range of them, that a role binds on a host.

    ``clients`` names who may connect when reach is CLUSTER: hosts of roles, or networks that a role knows by that name
    (Role.networks: ``media``, ``proxies``); empty means every host of the site.
    When reach is TRUNK it names which networks of the trunks may: those they signal from, or those media comes from.
    ``option`` is the path in the site that moves the port (for error messages), or of a ``fixed`` one switches it off.
    ``addresses`` are those that it is bound to, where that is not every one of the host.
    """

    owner: str
    name: str
    proto: Proto
    range: PortRange
    reach: Reach
    purpose: str
    option: str
    clients: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    fixed: bool = False

    @property
    def moved(self) -> str:
        """What an operator may do about its number."""
        return f"leave out {self.option}" if self.fixed else f"move {self.option}"

    def __str__(self) -> str:
        return f"{self.owner}/{self.name} ({self.proto} {self.range})"


def overlaps(ports: Iterable[Port], host: str) -> Iterator[Problem]:
    """Every pair of ports of one host that share a number and a protocol."""
    ordered = sorted(ports, key=lambda p: (p.proto, p.range))
    for i, one in enumerate(ordered):
        for other in ordered[i + 1 :]:
            if one.proto == other.proto and one.range.overlaps(other.range):
                yield Problem(
                    one.option,
                    f"{one} overlaps {other} on {host}",
                    f"move one of them ({one.option} or {other.option})",
                )


def merged(ranges: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """The same ports as sorted, disjoint, non-adjacent ranges."""
    out: list[PortRange] = []
    for r in sorted(ranges):
        if out and r.first <= out[-1].last + 1:
            out[-1] = PortRange(out[-1].first, max(out[-1].last, r.last))
        else:
            out.append(r)
    return tuple(out)


def without(ranges: Iterable[PortRange], gone: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """Ports of ``ranges`` that are not in ``gone``, merged; a set of ports is a number with one bit for each."""
    bits = _bits(ranges) & ~_bits(gone)
    return tuple(PortRange(m.start(), m.end() - 1) for m in re.finditer("1+", f"{bits:b}"[::-1]))


def _bits(ranges: Iterable[PortRange]) -> int:
    bits = 0
    for r in ranges:
        bits |= ((1 << len(r)) - 1) << r.first
    return bits


def endpoint(address: str, port: int) -> str:
    """``address:port`` as daemons and URLs write it: an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
