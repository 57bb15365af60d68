"""IPv6: a client that is told of an address which nothing gets to waits before it tries another."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.diagnosis.from_client import network
from livekit_metal.diagnosis.from_client.relays import over_tls
from livekit_metal.diagnosis.subject import Subject

if TYPE_CHECKING:
    from livekit_metal.call.join_info import Announced

Places = dict[str, dict[str, set[int]]]  # whom a row is about -> address -> ports that ought to answer


async def ipv6(case: Subject, told: Mapping[str, Announced]) -> list[CheckResult]:
    """A row for each host that is announced with IPv6, in its candidates or by a name in the DNS."""
    places = await _announced(case, told)
    return list(await asyncio.gather(*(_routed(case, about, where) for about, where in places.items())))


async def _announced(case: Subject, told: Mapping[str, Announced]) -> Places:
    places: Places = {}
    owners = {address: about for about, one in told.items() if about for address, _ in one.tcp}
    for about, one in told.items():
        for address, port in one.tcp:
            if ":" in address:
                places.setdefault(owners.get(address, about), {}).setdefault(address, set()).add(port)
    url = urlsplit(case.access.url)
    port = url.port or (443 if url.scheme in ("wss", "https") else 80)
    names = {(url.hostname or "", port): ""}
    names |= {server: about for about, one in told.items() for server in over_tls(one)}
    for (name, at), about in names.items():
        for address in await _addresses(name):
            places.setdefault(owners.get(address, about), {}).setdefault(address, set()).add(at)
    return places


async def _addresses(name: str) -> list[str]:
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(name, None, family=socket.AF_INET6, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(each[4][0]) for each in found if not str(each[4][0]).startswith("::ffff:")})


async def _routed(case: Subject, about: str, where: Mapping[str, set[int]]) -> CheckResult:
    """Any answer is one, a refusal too: whether a port is open is what other rows are about."""
    if not all(map(network.own, where)):
        said = f"{', '.join(where)} is announced, and this machine has no IPv6"
        remedy = "run this from where there is"
        return CheckResult(check="ipv6", about=about, vantage=case.here, result=Result.NOTE, said=said, remedy=remedy)
    lost = [
        address
        for address, ports in where.items()
        if not any(await asyncio.gather(*(_answers(address, port) for port in ports)))
    ]
    if lost:
        fact = f"{', '.join(lost)} is announced to clients, and nothing gets there and back"
        remedy = "route IPv6 to the host, or take it back: hosts.*.ipv6, AAAA in the DNS (docs/network.md)"
        return failed("ipv6", about, case.here, fact, remedy)
    return CheckResult(check="ipv6", about=about, vantage=case.here, said=", ".join(where))


async def _answers(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(network.OPENS):
            _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
