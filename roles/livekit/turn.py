"""TURN inside livekit-server: relays for clients that cannot send UDP to its media ports.

Upstream names: pkg/config/config.go and pkg/service/turn.go of livekit v1.13.5. Clients are told turn:NODE_IP:PORT and,
with a domain, turns:DOMAIN:443, whatever port TURN has: TLS is spoken by the edge, which tells names apart there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stack.duration import Duration
from stack.errors import Problem
from stack.fields import Checked, option
from stack.names import is_domain

if TYPE_CHECKING:
    from roles.livekit.settings import Settings

HOST = "{host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Checked):
    """TURN, which is always there over UDP; it is the site's own STUN server too."""

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
            yield Problem(f"{path}.domain", f"{self.domain!r} is no name", "write one such as turn.example.org")
        if self.ttl < 60:
            yield Problem(f"{path}.ttl", f"is {self.ttl}", "give a client a minute at least to open its relay")


def config(settings: Settings, slot: str) -> dict[str, Any]:
    """``turn.*`` of ``slot``."""
    relay = settings.part("turn-relay", slot)
    own: dict[str, Any] = {
        "enabled": True,
        "udp_port": settings.part("turn-udp", slot).first,
        "relay_range_start": relay.first,
        "relay_range_end": relay.last,
        "ttl_seconds": int(settings.turn.ttl),
        # Private addresses are denied but for these: a relay leads to media of our nodes and into nobody's network.
        "allow_restricted_peer_cidrs": sorted(_restricted(settings.nodes)),
    }
    if settings.media_address:
        own["bind_addresses"] = [each for each in (settings.media_address, settings.media_ipv6) if each]
    if settings.turn_name:
        tcp = settings.part("turn-tls", slot).first
        own |= {"domain": settings.turn_name, "tls_port": tcp, "external_tls": True}
    return own


def _restricted(addresses: Iterable[str]) -> set[str]:
    """Those of ``addresses`` that TURN relays to only when it is told to, as networks."""
    found = (ipaddress.ip_address(address) for address in addresses)
    return {f"{a}/{a.max_prefixlen}" for a in found if a.is_private or a.is_loopback or a.is_link_local}
