"""The parts of docs/network.md that come from the port registry: each stands between two comments that name it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from livekit_metal.core.ports import Port, Reach, merged
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.livekit.turn import UDP_443
from livekit_metal.site.model import Site

_RECIPES = Path(__file__).parent / "proxies"
_BLOCK = re.compile(r"<!-- (?P<name>[a-z-]+): generated -->\n.*?<!-- end -->\n", re.S)
_FROM = {
    Reach.PUBLIC: "anywhere",
    Reach.CLUSTER: "hosts of the site",
    Reach.TRUNK: "carriers",
    Reach.ADMIN: "`firewall.admin`, and where deploys come from",
}
_PATHS = """\
    UDP
        client ── UDP {media} ──▶ livekit-server
        To the address that clients are told (rtc.node_ip). The shortest way, and the best sound.

    ICE over TCP
        client ── TCP {tcp} ──▶ livekit-server
        Where UDP is blocked and ports other than the web's are not. Media in frames (RFC 4571): no TLS, no proxy.

    TURN over UDP
        client ── UDP {turn} ──▶ TURN (in livekit-server) ── UDP {relay} ──▶ livekit-server
        Where UDP gets out to few ports. From TURN it goes to the host's own public address. With livekit.turn.udp_443
        clients are told UDP 443 besides, and the kernel leads it to the active slot.

    TURN over TLS
        client ── TLS {https}, name of TURN ──▶ HAProxy ── TCP {tls} ──▶ TURN ── UDP {relay} ──▶ livekit-server
        Where nothing but the web gets out. HAProxy tells it from signalling by the name that is asked for (SNI).

    beside each of them: signalling
        client ── TLS {https}, name of the site ──▶ HAProxy ── TCP {signal} ──▶ livekit-server
                                               └──── TCP {peer} ──▶ HAProxy of another host ──▶ its livekit-server
"""


def filled(text: str, site: Site, host: str) -> str:
    """The document with its parts made again. Raises KeyError for a part that nobody makes."""
    ports = [port for port in site.ports(host) if port.reach is not Reach.LOCAL]

    def part(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- {name}: generated -->\n{_PARTS[name](site, host, ports)}<!-- end -->\n"

    return _BLOCK.sub(part, text)


def _table(*reaches: Reach) -> Callable[[Site, str, list[Port]], str]:
    def made(_: Site, __: str, ports: list[Port]) -> str:
        rows = ["| from | protocol | port | what for | moved by |", "|---|---|---|---|---|"]
        rows += _rows([port for port in ports if port.reach in reaches])
        return "\n".join([*rows, ""])

    return made


def _rows(ports: list[Port]) -> Iterator[str]:
    """A row for each setting: the parts of its slots are asked for together."""
    groups: dict[tuple[str, ...], list[Port]] = {}
    for port in ports:
        purpose = re.sub(r",? (of )?slot \w+", "", port.purpose)
        groups.setdefault((_FROM[port.reach], port.proto.upper(), purpose, port.option), []).append(port)
    for (source, proto, purpose, option), each in groups.items():
        numbers = ", ".join(map(str, merged(port.range for port in each)))
        yield f"| {source} | {proto} | {numbers} | {purpose} | `{option}` |"


def _paths(site: Site, host: str, _: list[Port]) -> str:
    livekit = site.of(Livekit)
    return _PATHS.format(
        media=livekit.media_udp,
        tcp=livekit.ice_tcp,
        turn=livekit.turn_udp,
        relay=livekit.turn_relay,
        https=site.of(Edge).https,
        tls=livekit.turn_tls,
        signal=livekit.signal,
        peer=site.of(Edge).peer,
    )


def _clients(site: Site, host: str, _: list[Port]) -> str:
    """What the firewall of people who call must let out."""
    livekit, edge = site.of(Livekit), site.of(Edge)
    rows = (
        ("always", "TCP", edge.https, "names of the site", "signalling (WebSocket over TLS)"),
        ("best", "UDP", livekit.media_udp, "addresses of the hosts", "media"),
        ("or", "UDP", livekit.turn_udp, "addresses of the hosts", "media by TURN"),
        ("or", "UDP", UDP_443, "addresses of the hosts", "media by TURN, with `livekit.turn.udp_443`"),
        ("or", "TCP", livekit.ice_tcp, "addresses of the hosts", "media over TCP, no TLS in it"),
        ("at least", "TCP", edge.https, "names of TURN", "media by TURN over TLS; TLS must not be taken apart"),
    )
    head = ["| | protocol | port | to | what for |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(map(str, row))} |" for row in rows), ""])


def _recipe(file: str) -> Callable[[Site, str, list[Port]], str]:
    """A file that tests run with the program it is for."""
    return lambda *_: f"```\n{(_RECIPES / file).read_text()}```\n"


_PARTS: dict[str, Callable[[Site, str, list[Port]], str]] = {
    "public": _table(Reach.PUBLIC),
    "cluster": _table(Reach.CLUSTER),
    "trunks": _table(Reach.TRUNK),
    "admin": _table(Reach.ADMIN),
    "paths": _paths,
    "clients": _clients,
    "nginx": _recipe("nginx.conf"),
    "haproxy": _recipe("haproxy.cfg"),
    "caddy": _recipe("Caddyfile"),
    "caddy-turn": _recipe("caddy-turn.conf"),
}
