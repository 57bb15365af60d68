"""Whether relays lead past the firewall: tried as any guest could, over UDP and over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from livekit_metal.call.server import trusted
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.diagnosis.from_client import guest
from livekit_metal.diagnosis.from_client.guest import TCP, UDP, Guest, Place, Silent
from livekit_metal.diagnosis.subject import Subject
from livekit_metal.releases import compatibility

if TYPE_CHECKING:
    from livekit_metal.call.join_info import Announced, IceServer

# Nobody's (RFC 5737): one of them is no node of the site.
_OUTSIDE = ("203.0.113.254", "198.51.100.254", "192.0.2.254")
_ANSWERS = 1.0  # s that a daemon has to answer
_ASKS = 2  # times: a datagram may be lost
_GRANTED = 0
_REMEDY = (
    "deploy: it brings turn.deny_peer_cidrs and the firewall's chain relay_out (`nft list chain inet livekit_metal "
    "relay_out` on the host shows it); until then anybody with a join token gets there"
)


async def relay(case: Subject, about: str, told: Announced) -> CheckResult | None:
    """The row for what relays of ``told`` reach; None where clients are told of no TURN."""
    servers = [(server, place(case, server)) for server in told.servers if server.url.startswith(("turn:", "turns:"))]
    if not servers:
        return None
    tried = await asyncio.gather(*(_tried(case, told, *each) for each in servers), return_exceptions=True)
    for each in tried:
        if isinstance(each, BaseException) and not isinstance(each, Silent):
            raise each
    reached = sorted({one for each in tried if not isinstance(each, BaseException) for one in each})
    ways = ["TLS" if where.name else "UDP" for _, where in servers]
    done = [way for way, each in zip(ways, tried, strict=True) if not isinstance(each, BaseException)]
    silent = [str(each) for each in tried if isinstance(each, Silent)]
    if reached:
        return failed("relay", about, case.here, f"relays of TURN lead to {', '.join(reached)}", _REMEDY)
    if silent:
        remedy = "see the rows about TURN; what relays reach shows when they answer"
        said = f"not all could be tried: {'; '.join(silent)}"
        return CheckResult(check="relay", about=about, vantage=case.here, result=Result.NOTE, said=said, remedy=remedy)
    return CheckResult(
        check="relay",
        about=about,
        vantage=case.here,
        said=f"lead to media alone, over {' and '.join(dict.fromkeys(done))}",
    )


def place(case: Subject, server: IceServer) -> Place:
    """Where a server is that clients are told of: ``turn:ADDRESS:PORT?…``, ``turns:NAME:PORT?…``."""
    scheme, _, rest = server.url.partition(":")
    host, _, port = rest.partition("?")[0].rpartition(":")
    name = host if scheme == "turns" else ""
    return Place(case.access.names.get(host, host.strip("[]")), int(port), name)


async def _tried(case: Subject, told: Announced, server: IceServer, where: Place) -> list[str]:
    """What is reached through one server. Raises :class:`Silent`."""
    ssl = trusted(case.access) if where.name else None
    async with guest.relay(server, where, UDP, ssl) as by_udp:
        ports = case.beyond.get(by_udp.address[0]) or _any(case.beyond)
        inside = _inside(told, by_udp.address[0])
        found = [*await _outside(case, told, by_udp), *await _by_udp(by_udp, ports, inside)]
    async with guest.relay(server, where, TCP, ssl) as by_tcp:
        return found + await _by_tcp(by_tcp, ports, inside)


def _inside(told: Announced, own: str) -> set[str]:
    """The addresses of the node, of the family of ``own``, which is that of the relay: those inside too."""
    return {own, *(address for address, _ in (*told.udp, *told.tcp) if (":" in address) == (":" in own))}


def _any(beyond: Mapping[str, Mapping[str, int]]) -> Mapping[str, int]:
    """Behind NAT of its own a host has an address that the site does not know: its ports are as everywhere."""
    return next(iter(beyond.values()), {})


async def _outside(case: Subject, told: Announced, by: Guest) -> list[str]:
    """An address of nobody's, if TURN grants it; a server that knows no list leaves that to the firewall."""
    if compatibility.unknown("livekit-server", told.node.version, {"turn": {"deny_peer_cidrs": []}}):
        return []
    nodes = {by.address[0], *case.addresses}
    stranger = next(address for address in _OUTSIDE if address not in nodes)
    return [f"{stranger}, which is outside"] if await by.permit(stranger) == _GRANTED else []


async def _by_udp(by: Guest, ports: Mapping[str, int], hosts: Collection[str]) -> list[str]:
    """Ports that a daemon answers from: none but media is any guest's business, and media tells strangers nothing."""
    for host in hosts:
        await by.permit(host)
    wanted = {(host, port): what for what, port in ports.items() if what.endswith(" udp") for host in hosts}
    for _ in range(_ASKS):
        for peer in wanted:
            for data in guest.questions():
                by.send(peer, data)
        await asyncio.sleep(_ANSWERS / _ASKS)
    return [_named(*peer, what) for peer, what in wanted.items() if peer in by.heard]


async def _by_tcp(by: Guest, ports: Mapping[str, int], hosts: Collection[str]) -> list[str]:
    wanted = {(host, port): what for what, port in ports.items() if what.endswith(" tcp") for host in hosts}
    opened = await asyncio.gather(*(by.connect(peer) for peer in wanted))
    return [_named(*peer, what) for (peer, what), code in zip(wanted.items(), opened, strict=True) if code == _GRANTED]


def _named(host: str, port: int, what: str) -> str:
    name, _, proto = what.rpartition(" ")
    return f"{port}/{proto} ({name}) of {host}"
