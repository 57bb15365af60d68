"""What the ruleset says, worked out from the settings: the templates' variable. Pure; opens no connection."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from livekit_metal.core.foreign import RAW, Opening
from livekit_metal.core.ports import Port, PortRange, Proto, Reach, merged
from livekit_metal.roles.firewall.relays import Former, Relayed, relayed
from livekit_metal.roles.firewall.settings import TABLE, Settings

BOUND = "still bound by a slot of an earlier deploy"
USED = "slots of an earlier deploy may still use it"


@dataclass(frozen=True, slots=True)
class Group:
    """Networks that may open the same ports, by address family."""

    name: str
    v4: tuple[str, ...]
    v6: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """Ports that rules open to other machines; ``name`` is owner/name of the port in the registry of then."""

    reach: Reach
    proto: Proto
    range: PortRange
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The contents of main.nft and fallback.nft. ``tcp`` and ``udp`` pair ports with what nft does about them."""

    table: str
    filters: bool  # what comes in
    stamp: str  # of the ruleset, carried by the table's comment
    log: bool
    ssh_port: int
    ports: tuple[Port, ...]
    admin: Group
    groups: tuple[Group, ...]  # every one that a verdict names
    untracked: tuple[str, ...]  # UDP that anybody may send: media, kept out of connection tracking
    tcp: tuple[tuple[str, str], ...]
    udp: tuple[tuple[str, str], ...]
    openings: tuple[tuple[str, str], ...]  # of what else runs here: what it is for, and nft's statement
    trusted: tuple[str, ...]  # interfaces
    relayed: Relayed
    nodes: Group  # where relays lead to
    former: tuple[Former, ...]


def rules(settings: Settings, kept: Iterable[Port] = (), stamp: str = "", former: tuple[Former, ...] = ()) -> Rules:
    """The ruleset of one host: its registry, the ports ``kept`` open beyond it, and what relays had of ``former``."""
    ports = (*settings.ports, *kept)
    admin = _group("admin", settings.admin)
    groups = {admin.name: admin}
    for port in ports:
        if port.reach in (Reach.CLUSTER, Reach.TRUNK):
            name = _clients(port)
            groups.setdefault(name, _group(name, _addresses(port, settings.peers)))
    return Rules(
        table=TABLE,
        filters=settings.filters,
        stamp=stamp,
        log=settings.log,
        ssh_port=settings.ssh_port,
        ports=ports,
        admin=admin,
        groups=tuple(groups.values()),
        untracked=tuple(map(str, merged(p.range for p in ports if p.proto is Proto.UDP and p.reach is Reach.PUBLIC))),
        tcp=_verdicts(ports, Proto.TCP),
        udp=tuple(pair for pair in _verdicts(ports, Proto.UDP) if pair[1] != "accept"),
        openings=tuple((o.purpose or str(o), statement) for o in settings.open for statement in _statements(o)),
        trusted=settings.trusted,
        relayed=relayed(settings, former),
        nodes=_group("nodes", settings.relays.nodes),
        former=former,
    )


def _statements(opening: Opening) -> Iterator[str]:
    """nft's statements that let an opening's connections in, one for each address family it names."""
    by = f'iifname "{opening.interface}" ' if opening.interface else ""
    group = _group("", opening.networks)
    sources = [
        f"{word} saddr {{ {', '.join(found)} }} " for word, found in (("ip", group.v4), ("ip6", group.v6)) if found
    ]
    for source in sources or [""]:
        what = f"meta l4proto {RAW[opening.proto]}" if opening.port is None else f"{opening.proto} dport {opening.port}"
        yield f"{by}{source}{what} accept"


def kept(settings: Settings, opened: Iterable[Opened], bound: Iterable[tuple[str, int]]) -> tuple[Port, ...]:
    """Ports that were open, are in the registry no more, and that something of an earlier deploy still uses.

    ``opened`` is what the confirmed rules open, ``bound`` what the lasting units' sockets hold: nothing is ever opened
    because a process binds it. PUBLIC ports stay so for the calls of a draining slot. CLUSTER ports stay open to those
    who may use the port of that name now (Redis, which slots on other hosts expect where it was), TRUNK ports to those
    who may use its like now.
    """
    before = tuple(opened)
    found: dict[Port, list[PortRange]] = {}
    for proto, number in sorted(set(bound)):
        one = PortRange(number, number)
        if any(p.proto == proto and p.range.overlaps(one) for p in settings.ports):
            continue
        was = next((o for o in before if o.proto == proto and o.range.overlaps(one)), None)
        if now := was and _now(settings, was):
            found.setdefault(now, []).append(one)
    return tuple(dataclasses.replace(port, range=r) for port, ranges in found.items() for r in merged(ranges))


def _now(settings: Settings, was: Opened) -> Port | None:
    """What keeps a port open to those who may still need it; its range does not count."""
    if was.reach is Reach.PUBLIC:
        return Port("firewall", "kept", was.proto, PortRange(1, 65535), Reach.PUBLIC, BOUND, "")
    if was.reach is Reach.TRUNK:
        like = (
            p for p in settings.ports if (p.reach, p.proto, _kind(p.name)) == (was.reach, was.proto, _kind(was.name))
        )
        return next((dataclasses.replace(p, name="kept", purpose=BOUND) for p in like), None)
    same = (p for p in settings.ports if f"{p.owner}/{p.name}" == was.name and p.reach is was.reach)
    return next((dataclasses.replace(p, purpose=USED) for p in same), None)


def _kind(name: str) -> str:
    """The name of a port without its owner and its slot."""
    return name.rpartition("/")[2].rpartition("-")[0]


def admits(settings: Settings, source: str) -> bool:
    """Whether ``source``, an IP address, is in firewall.admin."""
    address = ipaddress.ip_address(source)
    return any(address in ipaddress.ip_network(network) for network in settings.admin)


def _clients(port: Port) -> str:
    return "_".join(port.clients).replace("-", "_") or "cluster"


def _addresses(port: Port, peers: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(address for role in port.clients or ("",) for address in peers[role])


def _group(name: str, networks: Iterable[str]) -> Group:
    """Networks and addresses as disjoint networks: nft refuses overlapping elements in some places."""
    return _made(name, tuple(networks))


@cache  # most hosts of a site have the same ones
def _made(name: str, networks: tuple[str, ...]) -> Group:
    parsed = [ipaddress.ip_network(n) for n in networks]
    v4 = ipaddress.collapse_addresses(n for n in parsed if isinstance(n, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(n for n in parsed if isinstance(n, ipaddress.IPv6Network))
    return Group(name, tuple(map(str, v4)), tuple(map(str, v6)))


def _verdicts(ports: Iterable[Port], proto: Proto) -> tuple[tuple[str, str], ...]:
    """Ports of one protocol with what is done about new connections to them; LOCAL ones are left to the policy."""
    by_verdict: dict[str, list[PortRange]] = {}
    for port in ports:
        if port.proto is proto and port.reach is not Reach.LOCAL:
            by_verdict.setdefault(_verdict(port), []).append(port.range)
    pairs = [(r, verdict) for verdict, ranges in by_verdict.items() for r in merged(ranges)]
    return tuple((str(r), verdict) for r, verdict in sorted(pairs))


def _verdict(port: Port) -> str:
    if port.reach is Reach.PUBLIC:
        return "accept"
    return f"jump from_{'admin' if port.reach is Reach.ADMIN else _clients(port)}"
