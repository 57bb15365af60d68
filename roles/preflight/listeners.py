"""Who listens on a host, and whom of those that are not ours the firewall's rules would close."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch

from livekit_metal.core.foreign import given_up
from livekit_metal.core.ports import Proto
from livekit_metal.roles.preflight.finding import OURS, Finding, finding
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.state import SYSTEM, HostState

# The range that ports of clients come from; then, on a host without our rules, who has a UDP socket a second after
# preflight.sockets: a client's question is over by then, a listener is still there.
LASTING = (
    "preflight.lasting",
    f"cat /proc/sys/net/ipv4/ip_local_port_range; nft list table {OURS} >/dev/null 2>&1 || {{ sleep 1; ss -Hlntu; }}",
)
# Interfaces, and the one that leads to everybody else.
INTERFACES = (
    "preflight.interfaces",
    "ls /sys/class/net; ip -o route show default | sed -n 's/.* dev \\([^ ]*\\).*/default \\1/p'",
)
_UNIT = re.compile(rf"cgroup:{SYSTEM}(?P<unit>[^/\s]+)\s*$")
_ANY = {"*", "0.0.0.0", "::"}  # noqa: S104 - as ss writes it
_LEASES = {68, 546}  # DHCP: the rules let its answers in


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that waits for others, as ``ss -lntup --cgroup`` shows it. ``program`` is '' for the kernel's own."""

    proto: Proto
    address: str  # "" where it is any
    interface: str
    port: int
    unit: str
    program: str
    process: str

    def __str__(self) -> str:
        return f"{self.port}/{self.proto}"

    @property
    def who(self) -> str:
        return f"{self.program} (process {self.process})" if self.program else ""

    @property
    def for_the_host_alone(self) -> bool:
        if not self.address:
            return self.interface == "lo"
        address = ipaddress.ip_address(self.address)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback or self.interface == "lo"


def parse(lines: Iterable[str]) -> Iterator[Listener]:
    """What ss said; a line of another form is passed over."""
    for line in lines:
        words = line.split()
        host, _, number = (words[4] if len(words) > 4 else "").rpartition(":")
        if not number.isdigit() or words[0] not in set(Proto):
            continue
        address, _, interface = (part.strip("[]") for part in host.partition("%"))
        program = re.search(r'users:\(\("([^"]+)",pid=(\d+)', line)
        yield Listener(
            proto=Proto(words[0]),
            address="" if address in _ANY else address,
            interface=interface,
            port=int(number),
            unit=unit["unit"] if (unit := _UNIT.search(line)) else "",
            program=program[1] if program else "",
            process=program[2] if program else "",
        )


def closed_unasked(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Listeners of others that the rules close and the inventory does not mention.

    They stop a deploy until the first rules are in force; from then on the harm is done or was meant, and it is a note.
    """
    in_force = any(line.startswith(f"table {OURS} ") for line in seen.answers["preflight.chains"])
    managed = {line.partition(" ")[0] for line in seen.answers["preflight.units"]} | set(settings.daemons)
    for one in parse(seen.answers["preflight.sockets"]):
        if one.unit in managed or re.sub(r"@.*\.", "@.", one.unit) in managed:
            continue
        if _kept(settings, one) or _passing(one, seen, in_force=in_force):
            continue
        who = one.who or "the kernel (WireGuard, NFS or the like)"
        entry = {"port": one.port, "proto": str(one.proto), "purpose": one.program or "?"}
        remedy = f'keep it by {entry} in firewall.open, or give it up by "{one}" in firewall.closed'
        fact = f"{who} listens on {one}, which {'is' if in_force else 'would be'} closed to others"
        yield finding(settings, "firewall", fact, remedy, stops=not in_force)


def trusted(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Interfaces of firewall.trusted that are not there, or that everybody else comes by."""
    said = seen.answers["preflight.interfaces"]
    there = [line for line in said if " " not in line]
    outside = {line.removeprefix("default ") for line in said if " " in line}
    for name in settings.trusted:
        if name not in there and not name.endswith("*"):
            remedy = f"correct firewall.trusted (there are: {', '.join(there) or 'none'})"
            yield finding(settings, "firewall", f"there is no interface {name}", remedy)
        for led in sorted(outside):
            if fnmatch(led, name):
                fact = f"firewall.trusted has {led}, by which everybody else comes: the whole host would be open"
                yield finding(settings, "firewall", fact, "take it out, and open ports by firewall.open")


def _kept(settings: Settings, one: Listener) -> bool:
    """Whether nothing is lost, or the inventory knows."""
    return (
        one.for_the_host_alone
        or (one.proto is Proto.UDP and one.port in _LEASES)
        or any(p.proto is one.proto and p.range.first <= one.port <= p.range.last for p in settings.ports)
        or any(o.proto == one.proto and o.port.first <= one.port <= o.port.last for o in settings.opened)
        or any(given_up(entry, one.proto, one.port, one.program) for entry in settings.closed)
        or any(fnmatch(one.interface, name) for name in settings.trusted if one.interface)
    )


def _passing(one: Listener, seen: HostState, *, in_force: bool) -> bool:
    """Whether it is a client's UDP socket, whose answers the rules let in, rather than a listener."""
    span, *later = seen.answers["preflight.lasting"] or ["0 0"]
    first, last = map(int, span.split())
    if one.proto is not Proto.UDP or not one.program or not first <= one.port <= last:
        return False
    return in_force or not any(other.port == one.port for other in parse(later))
