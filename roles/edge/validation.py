"""What cannot work in the settings of the edge, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.types.text import is_address
from livekit_metal.roles.edge import services
from livekit_metal.roles.edge.doors import EACH

_LONGEST = 60  # s for a request
_MOST_DAYS = 825  # Apple's limit for certificates of any CA


def problems(edge: Any, path: str) -> Iterator[Problem]:
    """Yield what is wrong with ``edge``, which imports this module; ``path`` leads to it in the inventory."""
    for name in ("https", "redirect", "http", "peer", "rtmp", "rtmp_peer", "metrics", "turn"):
        if len(getattr(edge, name)) != 1:
            yield Problem(f"{path}.{name}", f"is a range ({getattr(edge, name)})", "give one port")
    if edge.max_connections < 100:
        yield Problem(f"{path}.max_connections", f"is {edge.max_connections}", "allow at least 100")
    if edge.max_per_address < 0:
        yield Problem(f"{path}.max_per_address", f"is {edge.max_per_address}", "give a number, or 0 for no limit")
    if edge.max_rate_per_address < 0:
        fact = f"is {edge.max_rate_per_address}"
        yield Problem(f"{path}.max_rate_per_address", fact, "give a number, or 0 for no limit")
    if not 1 <= edge.request_within <= _LONGEST:
        fact = f"is {edge.request_within}"
        yield Problem(f"{path}.request_within", fact, f"give clients 1s to {_LONGEST}s: whoever is slow holds a place")
    yield from _names(edge, path)
    yield from _behind_a_proxy(edge, path)
    yield from services.problems(edge, path)
    yield from _certificate(edge, path)
    if edge.hard_stop_after < 60:
        yield Problem(f"{path}.hard_stop_after", f"is {edge.hard_stop_after}", "give WebSockets at least a minute")


def _names(edge: Any, path: str) -> Iterator[Problem]:
    if edge.path_prefix and not services.is_prefix(edge.path_prefix):
        yield Problem(f"{path}.path_prefix", f"is {edge.path_prefix!r}", "write it like '/livekit'")
    elif (first := edge.path_prefix.split("/")[1:2]) and first[0] in services.OWN:
        yield Problem(f"{path}.path_prefix", f"/{first[0]} is LiveKit's own", "choose another, such as '/livekit'")


def _certificate(edge: Any, path: str) -> Iterator[Problem]:
    for name in ("certificate", "key"):
        given = bool(getattr(edge, name))
        if edge.tls == "provided" and not given:
            yield Problem(f"{path}.{name}", "is missing", "name the file, or choose another tls")
        elif given and edge.tls != "provided":
            fact = f"is set and edge.tls is {edge.tls!r}"
            yield Problem(f"{path}.{name}", fact, "set tls to provided, or drop it")
    if edge.tls == "provided" and not edge.domain:
        yield Problem(f"{path}.domain", "is missing", "give the name that the certificate is for")
    if not 2 <= edge.certificate_days <= _MOST_DAYS:
        fact = f"is {edge.certificate_days}"
        yield Problem(f"{path}.certificate_days", fact, f"choose 2 to {_MOST_DAYS}: some clients refuse more")
    for name in ("warn_days", "hsts_days"):
        if getattr(edge, name) < 0:
            yield Problem(f"{path}.{name}", f"is {getattr(edge, name)}", "give a number of days")


def _behind_a_proxy(edge: Any, path: str) -> Iterator[Problem]:
    proxied = edge.tls == "off" and edge.proxies
    for i, address in enumerate(edge.address):
        if address not in EACH and not is_address(address):
            remedy = f"write one of the host's, or {', '.join(EACH)}: what hosts.NAME says"
            yield Problem(f"{path}.address[{i}]", f"{address!r} is no address", remedy)
    for name in ("turn_proxy_protocol", "ca_file"):
        if getattr(edge, name) and not proxied:
            fact = "is set, and no proxy of yours is in front"
            yield Problem(f"{path}.{name}", fact, "set edge.tls to off and name your proxies, or drop it")
