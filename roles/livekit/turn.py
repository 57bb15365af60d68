"""TURN inside livekit-server: relays for clients that cannot send UDP to its media ports.

A relay is anybody's who holds a join token, and sends with this host's address, over UDP and (RFC 6062: pion/turn has
no switch for it) over TCP. So TURN grants the addresses of our nodes and no other. Which *ports* of theirs a relay
reaches it cannot say: pion/turn asks about addresses alone. That is the firewall's part, roles/firewall/relays.py.

Upstream names: pkg/config/config.go and pkg/service/turn.go of livekit v1.13.5. Clients are told turn:NODE_IP:PORT and,
with a domain, turns:DOMAIN:443, whatever port TURN has: TLS is spoken by the edge, which tells names apart there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option
from livekit_metal.core.types.dns_names import is_domain
from livekit_metal.core.types.duration import Duration
from livekit_metal.releases.compatibility import knows

HOST = "{host}"
_HEADER = "turn.proxy_protocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Checked):
    """TURN, over UDP wherever it is on; it is the site's own STUN server too."""

    enabled: bool = option(
        True,
        "TURN is there (turn.enabled); without it whoever cannot send UDP to media ports has ICE over TCP alone, and "
        "clients are told STUN servers of Google's, unless extra names others (rtc.stun_servers)",
    )
    domain: str = option(
        "",
        "name for TURN over TLS on 443 (turn.domain), which passes where only the web does; {host} is the host's name, "
        "and with several hosts it must be in there; needs edge.tls; empty: over UDP only",
    )
    ttl: Duration = option(
        Duration.parse("300s"),
        "how long a client may open relays after it has joined (turn.ttl_seconds); open ones go on",
    )

    def name(self, host: str) -> str:
        """The domain that leads to ``host``, or ''."""
        return self.domain.replace(HOST, host).lower()

    def problems(self, path: str) -> Iterator[Problem]:
        if self.domain and not is_domain(self.name("host")):
            yield Problem(f"{path}.domain", f"{self.domain!r} is not a name", "write one such as turn.example.org")
        if self.domain and not self.enabled:
            yield Problem(f"{path}.domain", "is set and enabled is False", "drop it, or leave TURN on")
        if self.ttl < 60:
            yield Problem(f"{path}.ttl", f"is {self.ttl}", "give a client a minute at least to open its relay")


def config(settings: Any, slot: str) -> dict[str, Any]:
    """``turn.*`` of ``slot``."""
    if not settings.turn.enabled:
        return {"enabled": False}
    relay = settings.part("turn-relay", slot)
    own: dict[str, Any] = {
        "enabled": True,
        "udp_port": settings.part("turn-udp", slot).first,
        "relay_range_start": relay.first,
        # An odd end: whoever asks for an even port may reserve the one behind it (EVEN-PORT), which must be ours too.
        "relay_range_end": relay.last - (relay.first < relay.last and relay.last % 2 == 0),
        "ttl_seconds": int(settings.turn.ttl),
        # Upstream denies loopback, link-local, multicast and private addresses but for these, and then,
        # of what is left, those in the second list: of every network only the nodes remain.
        "allow_restricted_peer_cidrs": sorted(_restricted(settings.nodes)),
        "deny_peer_cidrs": list(everything_but(settings.nodes)),
    }
    if settings.media_address:
        own["bind_addresses"] = [each for each in (settings.media_address, settings.media_ipv6) if each]
    if settings.turn_name:
        tcp = settings.part("turn-tls", slot).first
        own |= {"domain": settings.turn_name, "tls_port": tcp, "external_tls": True}
        if header(settings):
            trusted = ipaddress.ip_network(settings.media_address)
            own |= {"proxy_protocol": True, "proxy_protocol_trusted_cidrs": [str(trusted)]}
    return own


def header(settings: Any, host: str = "") -> bool:
    """Whether the edge of a host tells TURN by the PROXY protocol whose connection it is.

    From 1.13.7 on livekit-server can take it, and then takes nothing without it. Before, whoever comes by TURN over TLS
    has the address of our host to TURN.
    """
    if not settings.turn.enabled or not (settings.turn_name or settings.turn.name(host)):
        return False
    if settings.turn_header is not None:
        return bool(settings.turn_header)
    return knows(settings.program, settings.release, _HEADER)


def everything_but(addresses: Iterable[str]) -> tuple[str, ...]:
    """The fewest networks, of IPv4 and of IPv6, that have every address except ``addresses``.

    IPv4 addresses written as IPv6 ones (::ffff:192.0.2.1) are IPv4 to Go's net.IPNet, whichever list they are in.
    """
    kept = sorted({ipaddress.ip_address(each) for each in addresses}, key=lambda each: (each.version, int(each)))
    found: list[str] = []
    for kind in (ipaddress.IPv4Address, ipaddress.IPv6Address):
        first, last = 0, 2 ** kind(0).max_prefixlen - 1
        for each in (int(address) for address in kept if isinstance(address, kind)):
            if first < each:
                found += map(str, ipaddress.summarize_address_range(kind(first), kind(each - 1)))
            first = each + 1
        if first <= last:
            found += map(str, ipaddress.summarize_address_range(kind(first), kind(last)))
    return tuple(found)


def _restricted(addresses: Iterable[str]) -> set[str]:
    """Those of ``addresses`` that TURN relays to only when it is told to, as networks."""
    found = (ipaddress.ip_address(address) for address in addresses)
    return {f"{a}/{a.max_prefixlen}" for a in found if a.is_private or a.is_loopback or a.is_link_local}
