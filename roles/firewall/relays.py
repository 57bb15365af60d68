"""Where relays of TURN may send: media of the site's nodes, and nothing else. Pure.

Whoever holds a join token may open a relay, and what it sends comes from this host: no rule of any input chain, here or
elsewhere, would tell it from us. TURN itself refuses the addresses that are no node's (roles/livekit/turn.py), but at
an address it knows no ports (pion/turn asks its PermissionHandler about an IP). Hence a chain at the output.

A relay has a port of its own range, over UDP and over TCP (RFC 6062, which pion/turn serves and nothing switches off):
RelayAddressGeneratorPortRange binds it. What the kernel chooses for others is not in it, because the range is reserved;
who chooses by himself (resolvers do) is told apart by the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from livekit_metal.core.ports import PortRange, Proto, merged, without
from livekit_metal.roles.firewall.settings import Settings


@dataclass(frozen=True, slots=True, order=True)
class Former:
    """UDP ports that slots of an earlier deploy may still use, here or on another host: ``name`` is that in Relays."""

    range: PortRange
    name: str


@dataclass(frozen=True, slots=True)
class Relayed:
    """Ports as nft writes them: those that relays have, and those of media."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    user: str


def relayed(settings: Settings, former: Iterable[Former] = ()) -> Relayed:
    """What the chain is made of; no sources where no relays are."""
    before = tuple(former)

    def ports(kind: str) -> tuple[PortRange, ...]:
        return merged([*_now(settings, kind), *(each.range for each in before if each.name == kind)])

    sources = ports(settings.relays.sources)
    # A client may ask for an even port and reserve the odd one behind it (EVEN-PORT, RFC 8656): beyond the last too.
    behind = without([PortRange(r.last, r.last | 1) for r in sources], _registry(settings))
    targets = ports(settings.relays.targets)
    return Relayed(tuple(map(str, merged([*sources, *behind]))), tuple(map(str, targets)), settings.relays.user)


def still(
    settings: Settings, before: Iterable[tuple[str, Proto, PortRange]], bound: Iterable[tuple[str, int]], age: int
) -> tuple[Former, ...]:
    """What relays had, or led to, by the confirmed rules (name, protocol, ports) and do no more by the registry.

    It stays for as long as a slot may go on, on any host: the rules are younger than that (``age``, s), or something
    here is ``bound`` to it. What livekit-server itself has been given since is not in it.
    """
    known, rules = _registry(settings), tuple(before)
    found = []
    for kind in (settings.relays.sources, settings.relays.targets):
        were = [ports for name, proto, ports in rules if proto is Proto.UDP and _is(name, kind)]
        found += [Former(each, kind) for each in without(were, known)]
    used = {port for proto, port in bound if proto == Proto.UDP}
    if age < settings.relays.lasts or any(
        each.range.first <= port <= each.range.last for each in found for port in used
    ):
        return tuple(sorted(found))
    return ()


def _now(settings: Settings, kind: str) -> Iterator[PortRange]:
    for port in settings.ports:
        if port.proto is Proto.UDP and _is(f"{port.owner}/{port.name}", kind):
            yield port.range


def _registry(settings: Settings) -> list[PortRange]:
    """Ports that the same daemon uses otherwise: what it sends from there is no relay's."""
    owner = settings.relays.sources.partition("/")[0]
    return [port.range for port in settings.ports if port.proto is Proto.UDP and port.owner == owner]


def _is(name: str, kind: str) -> bool:
    """Whether a port is of this kind, in whatever slot."""
    return bool(kind) and (name == kind or name.startswith(f"{kind}-"))
