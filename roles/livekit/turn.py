"""TURN inside livekit-server: relays for clients that cannot send UDP to its media ports.

A relay is anybody's who holds a join token, and sends with this host's address, over UDP and (RFC 6062: pion/turn has
no switch for it) over TCP. So TURN grants the addresses of our nodes and no other. Which *ports* of theirs a relay
reaches it cannot say: pion/turn asks about addresses alone. That is the firewall's part, roles/firewall/relays.py.

Upstream names: pkg/config/config.go and pkg/service/turn.go of livekit v1.13.5. Clients are told turn:NODE_IP:PORT and,
with a domain, turns:DOMAIN:443, whatever port TURN has: TLS is spoken by the edge, which tells names apart there.
UDP 443 is TURN's as well where it is wanted: redirect.py leads it there, and clients are told by rtc.turn_servers.
"""

from __future__ import annotations

import hashlib
import ipaddress
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.core.types.dns_names import is_domain
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.secret import Secret
from livekit_metal.releases.compatibility import knows

HOST = "{host}"
_HEADER = "turn.proxy_protocol"
UDP_443 = PortRange(443, 443)
REDIRECT_UNIT, REDIRECT_TABLE = "livekit-udp-443.service", "livekit_metal_udp_443"  # see redirect.py
INSTEAD = "; livekit.turn.udp_443 has UDP 443 lead to the active slot, whatever port that has"
# As github.com/jxskiss/base62 has them, which reads the bytes from behind, six bits at a time.
_DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits
_WHO = "everybody"
# Seconds since 1970: the year 2100. It would be another configuration, and so another slot, whenever it moved on.
_ENDS = 4102444800


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
    udp_443: bool = option(
        False,
        "clients are told UDP 443 besides, which the kernel leads to the active slot: for networks that let out no "
        "other UDP; whoever has joined once may open relays there until the API key is rotated (ttl does not count)",
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
        if self.udp_443 and not self.enabled:
            yield Problem(f"{path}.udp_443", "is set and enabled is False", "drop it, or leave TURN on")
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


def port(addresses: tuple[str, ...]) -> Port:
    """UDP 443 in the registry. Nobody binds it."""
    purpose, option = "TURN and STUN over UDP, to the active slot (if set)", "livekit.turn.udp_443"
    udp, public = Proto.UDP, Reach.PUBLIC
    return Port("livekit", "turn", udp, UDP_443, public, purpose, option, addresses=addresses, fixed=True)


def beside_others(settings: Any, path: str) -> Iterator[Problem]:
    """TURN servers of somebody else, which would take the place of UDP 443."""
    rtc = settings.extra.get("rtc")
    if settings.turn.udp_443 and isinstance(rtc, Mapping) and "turn_servers" in rtc:
        fact = "has no place beside livekit.turn.udp_443, which sets it"
        yield Problem(f"{path}.extra.rtc.turn_servers", fact, "leave one of them out")


def told(settings: Any) -> list[dict[str, Any]]:
    """``rtc.turn_servers``: UDP 443 at each address that clients are told. Upstream puts a host into a URL as it is."""
    key, secret = next(iter(settings.api_keys.items()), ("", None))
    if not settings.turn.udp_443 or secret is None:
        return []
    name, password = login(key, secret)
    hosts = (f"[{each}]" if ":" in each else each for each in settings.node_ip.split(","))
    return [
        {"host": host, "port": UDP_443.first, "protocol": "udp", "username": name, "credential": password}
        for host in hosts
    ]


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


@cache  # the same for every slot of every host, and long where there are many
def everything_but(addresses: tuple[str, ...]) -> tuple[str, ...]:
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


@cache
def _restricted(addresses: tuple[str, ...]) -> frozenset[str]:
    """Those of ``addresses`` that TURN relays to only when it is told to, as networks."""
    found = (ipaddress.ip_address(address) for address in addresses)
    return frozenset(f"{a}/{a.max_prefixlen}" for a in found if a.is_private or a.is_loopback or a.is_link_local)


def login(api_key: str, api_secret: Secret) -> tuple[str, str]:
    """Name and password that every client of UDP 443 gets; good as long as livekit-server knows the key.

    It makes logins of a client's own for the port alone that it binds; what rtc.turn_servers tells has a login in the
    configuration. To TURN inside of it both are the same: it keeps no list, and a password is good when it follows
    from the API secret (upstream: pkg/service/turn.go, TURNAuthHandler).
    """
    said = f"{api_secret.reveal()}|{_WHO}|{_ENDS}".encode()
    return base62(f"{api_key}|{_WHO}|{_ENDS}".encode()), base62(hashlib.sha256(said).digest())


def base62(data: bytes) -> str:
    """``data`` as that library writes it. Not a number in base 62: what would be digit 62 or 63 takes five bits."""
    number, left, out = int.from_bytes(data, "big"), len(data) * 8, []
    while left > 0:
        digit, size = number & 0x3F, 6
        if digit & 0x1E == 0x1E:
            size = 5 if left > 6 or digit > 0x1F else 6
            digit &= 0x1F
        out.append(_DIGITS[digit])
        number >>= size
        left -= size
    return "".join(out)
