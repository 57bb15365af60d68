"""What a look tells about the firewall: the rules in force, read from the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core import shell
from livekit_metal.core.ports import PortRange, Proto, Reach
from livekit_metal.roles.firewall.relays import Former
from livekit_metal.roles.firewall.rules import Opened
from livekit_metal.roles.firewall.settings import TABLE, UNIT, Settings
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import SYSTEM, HostState

PROBE = "firewall.rules"

_PROBE = shell.program(__file__, "connection", "rules")


@dataclass(frozen=True, slots=True)
class Observed:
    """``source`` is '' where no SSH connection is to be seen; ``stamp`` is '' without a table of ours."""

    source: str
    stamp: str
    intact: bool
    opened: tuple[Opened, ...]
    bound: tuple[tuple[str, int], ...]
    former: tuple[Former, ...] = ()
    age: int = 0

    @property
    def relays(self) -> Iterator[tuple[str, Proto, PortRange]]:
        """What relays may have, or lead to, by the confirmed rules: name, protocol, ports."""
        yield from ((each.name, each.proto, each.range) for each in self.opened)
        yield from ((each.name, Proto.UDP, each.range) for each in self.former)


def probe(settings: Settings, stamp: str) -> tuple[str, str]:
    """The probe for a host whose rules should have ``stamp``."""
    words = (TABLE, settings.main, stamp, f"{UNITS}/{UNIT}", SYSTEM, "|".join(settings.lasting) or "^$")
    return PROBE, shell.given(_PROBE, *words)


def observed(seen: HostState) -> Observed:
    """The probe's answer."""
    source, stamp, intact = "", "", False
    opened: list[Opened] = []
    bound: list[tuple[str, int]] = []
    former: list[Former] = []
    age = 0
    for line in seen.answers[PROBE]:
        word, *rest = line.split()
        if word == "from" and rest:
            source = rest[0].partition("%")[0]
        elif word == "stamp":
            stamp = rest[0]
        elif word == "intact":
            intact = True
        elif word == "open":
            opened.append(Opened(Reach(rest[0]), Proto(rest[1]), PortRange.parse(rest[2]), rest[3]))
        elif word == "former":
            former.append(Former(PortRange.parse(rest[0]), rest[1]))
        elif word == "age":
            age = int(rest[0])
        elif word == "bound":
            address, _, port = rest[1].rpartition(":")
            if not address.startswith(("127.", "[::1]")):
                bound.append((rest[0], int(port)))
    return Observed(source, stamp, intact, tuple(opened), tuple(bound), tuple(former), age)
