"""Who listens on a host, and whom of those that are not ours the firewall's rules would close."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch

from livekit_metal.core.foreign import RAW, given_up
from livekit_metal.core.ports import PortRange, Proto
from livekit_metal.roles.preflight.finding import OURS, Finding, finding
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.listeners import LINKS, Listener, parse, raw
from livekit_metal.runtime.host.state import HostState

# The range that ports of clients come from; then, on a host without our rules, who has a UDP socket a second after
# preflight.sockets: a client's question is over by then, a listener is still there.
LASTING = (
    "preflight.lasting",
    "cat /proc/sys/net/ipv4/ip_local_port_range; "
    f"nft list chain {OURS} input >/dev/null 2>&1 || {{ sleep 1; ss -Hlntu; }}",
)
# Interfaces, the one that leads to everybody else, and the addresses on each.
INTERFACES = (
    "preflight.interfaces",
    "ls /sys/class/net; ip -o route show default | sed -n 's/.* dev \\([^ ]*\\).*/default \\1/p'; "
    'ip -o addr | awk \'{ sub("/.*", "", $4); print "at", $2, $4 }\'',
)
# What rules of ours let in now, and tunnels that have no socket.
IN_FORCE = ("preflight.in_force", f"nft list chain {OURS} input 2>/dev/null")
TUNNELS = ("preflight.tunnels", LINKS)
_LEASES = {68, 546}  # DHCP: the rules let its answers in
_NUMBERS = {str(number): name for name, number in RAW.items()}  # as some nft list them


def closed_unasked(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Listeners of others that the rules close and the inventory does not mention.

    They stop a deploy that would close them: the first one, and one whose rules let in less than those in force. What
    is closed already was meant, or the harm is done, and it is a note.
    """
    if not settings.filters:
        return
    in_force = _in_force(seen)
    managed = {line.partition(" ")[0] for line in seen.answers["preflight.units"]} | set(settings.daemons)
    for one in parse(seen.answers["preflight.sockets"]):
        if one.unit in managed or re.sub(r"@.*\.", "@.", one.unit) in managed:
            continue
        if _kept(settings, one, seen) or _passing(one, seen, in_force=in_force):
            continue
        who = one.who or "the kernel (WireGuard, NFS or the like)"
        entry = {"port": one.port, "proto": str(one.proto), "purpose": one.program or "?"}
        yield _closed(settings, f"{who} listens on", str(one), entry, stops=not in_force or _let_in(one, seen))
    for proto, whose in raw(seen.answers["preflight.tunnels"]).items():
        if any(o.covers(proto) for o in settings.opened) or proto in settings.closed:
            continue
        entry = {"proto": proto, "purpose": whose}
        stops = not in_force or proto in _rules(seen)
        yield _closed(settings, f"the kernel ({whose}) takes", proto, entry, stops=stops)


def _closed(settings: Settings, who: str, what: str, entry: object, *, stops: bool) -> Finding:
    remedy = f'keep it by {entry} in firewall.open, or give it up by "{what}" in firewall.closed'
    fact = f"{who} {what}, which {'would be' if stops else 'is'} closed to others"
    return finding(settings, "firewall", fact, remedy, stops=stops)


def interfaces(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Interfaces that the inventory names and that are not there; trusted ones that everybody else comes by."""
    if not settings.filters or "preflight.interfaces" not in seen.answers:
        return
    said = seen.answers["preflight.interfaces"]
    there = [line for line in said if " " not in line]
    outside = {line.removeprefix("default ") for line in said if line.startswith("default ")}
    named = [(each.interface, f"firewall.open ({each})") for each in settings.opened if each.interface]
    for name, where in [*((name, "firewall.trusted") for name in settings.trusted), *named]:
        if name not in there and not name.endswith("*"):
            remedy = f"correct {where} (there are: {', '.join(there) or 'none'})"
            yield finding(settings, "firewall", f"there is no interface {name}", remedy)
    for name in settings.trusted:
        for led in sorted(outside):
            if fnmatch(led, name):
                fact = f"firewall.trusted has {led}, by which everybody else comes: the whole host would be open"
                yield finding(settings, "firewall", fact, "take it out, and open ports by firewall.open")


def _in_force(seen: HostState) -> bool:
    """Whether rules of ours filter what comes in; where relays lead may be all that they say (firewall.mode)."""
    table = ""
    for line in seen.answers["preflight.chains"]:
        if line.startswith("table "):
            table = line.removeprefix("table ").removesuffix(" {")
        elif line.strip() == "chain input {" and table == OURS:
            return True
    return False


def _kept(settings: Settings, one: Listener, seen: HostState) -> bool:
    """Whether nothing is lost, or the inventory knows."""
    by = {one.interface} if one.interface else _carrying(one.address, seen)
    number = PortRange(one.port, one.port)
    return (
        one.for_the_host_alone
        or (one.proto is Proto.UDP and one.port in _LEASES)
        or any(p.proto is one.proto and p.range.overlaps(number) for p in settings.ports)
        or any(o.covers(one.proto, number) for o in settings.opened)
        or any(given_up(entry, one.proto, one.port, one.program) for entry in settings.closed)
        or any(fnmatch(interface, name) for name in settings.trusted for interface in by)
    )


def _carrying(address: str, seen: HostState) -> set[str]:
    """The interface that an address is on: what listens there alone is reached by it."""
    said = (line.split() for line in seen.answers.get("preflight.interfaces", ()) if line.startswith("at "))
    return {words[1] for words in said if address and words[2] == address}


def _rules(seen: HostState) -> set[str]:
    """What rules in force let in beside the registry: ports as nft writes them, protocols, interfaces in quotes."""
    text = "\n".join(seen.answers["preflight.in_force"])
    found = re.findall(r'((?:tcp|udp) dport [0-9-]+|(?<=l4proto )\S+|(?<=iifname )"\S+") accept', text)
    return {_NUMBERS.get(word, word) for word in found}


def _let_in(one: Listener, seen: HostState) -> bool:
    """Whether rules in force let it in, by its port or by the interface that it is on."""
    by = {one.interface} if one.interface else _carrying(one.address, seen)
    for word in _rules(seen):
        proto, _, ports = word.partition(" dport ")
        if ports and proto == one.proto and PortRange.parse(ports).overlaps(PortRange(one.port, one.port)):
            return True
        if word.startswith('"') and any(fnmatch(interface, word.strip('"')) for interface in by):
            return True
    return False


def _passing(one: Listener, seen: HostState, *, in_force: bool) -> bool:
    """Whether it is a client's UDP socket, whose answers the rules let in, rather than a listener."""
    span, *later = seen.answers["preflight.lasting"] or ["0 0"]
    first, last = map(int, span.split())
    if one.proto is not Proto.UDP or not one.program or not first <= one.port <= last:
        return False
    return in_force or not any(other.port == one.port for other in parse(later))
