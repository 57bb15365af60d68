"""What the ruleset says, worked out from the settings: the templates' variable. Pure; opens no connection."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roles.firewall.settings import TABLE, Settings
from stack.ports import Port, PortRange, Proto, Reach, merged

BOUND = "still bound by a slot of an earlier deploy"


@dataclass(frozen=True, slots=True)
class Group:
    """Networks that may open the same ports, by address family."""

    name: str
    v4: tuple[str, ...]
    v6: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The contents of main.nft and fallback.nft. ``tcp`` and ``udp`` pair ports with what nft does about them."""

    table: str
    stamp: str  # of the ruleset, carried by the table's comment
    log: bool
    ssh_port: int
    ports: tuple[Port, ...]
    admin: Group
    groups: tuple[Group, ...]  # every one that a verdict names
    untracked: tuple[str, ...]  # UDP that anybody may send: media, kept out of connection tracking
    tcp: tuple[tuple[str, str], ...]
    udp: tuple[tuple[str, str], ...]


def rules(settings: Settings, kept: Iterable[Port] = (), stamp: str = "") -> Rules:
    """The ruleset of one host: its registry, and the ports ``kept`` open beyond it."""
    ports = (*settings.ports, *kept)
    admin = _group("admin", settings.admin)
    groups = {admin.name: admin}
    for port in ports:
        if port.reach is Reach.CLUSTER:
            name = _clients(port)
            groups.setdefault(name, _group(name, _addresses(port, settings.peers)))
    return Rules(
        table=TABLE,
        stamp=stamp,
        log=settings.log,
        ssh_port=settings.ssh_port,
        ports=ports,
        admin=admin,
        groups=tuple(groups.values()),
        untracked=tuple(map(str, merged(p.range for p in ports if p.proto is Proto.UDP and p.reach is Reach.PUBLIC))),
        tcp=_verdicts(ports, Proto.TCP),
        udp=tuple(pair for pair in _verdicts(ports, Proto.UDP) if pair[1] != "accept"),
    )


def kept(
    settings: Settings, public: Iterable[tuple[str, PortRange]], bound: Iterable[tuple[str, int]]
) -> tuple[Port, ...]:
    """Ports that were PUBLIC, are in the registry no more, and on which a draining slot still serves its calls.

    ``public`` is what the confirmed rules open, ``bound`` what the lasting units' sockets hold: nothing is ever opened
    because a process binds it.
    """
    was_open = tuple(public)
    registry = [(p.proto.value, p.range) for p in settings.ports]
    found: dict[str, list[PortRange]] = {}
    for proto, number in sorted(set(bound)):
        one = PortRange(number, number)

        def within(ranges: Iterable[tuple[str, PortRange]], proto: str = proto, one: PortRange = one) -> bool:
            return any(p == proto and r.overlaps(one) for p, r in ranges)

        if within(was_open) and not within(registry):
            found.setdefault(proto, []).append(one)
    return tuple(
        Port("firewall", "kept", Proto(proto), r, Reach.PUBLIC, BOUND, "")
        for proto, ranges in found.items()
        for r in merged(ranges)
    )


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
