"""What of a site is in the clear, or open, where the whole internet is."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from livekit_metal.core.errors import Problem
from livekit_metal.site.wiring import tls

if TYPE_CHECKING:
    from livekit_metal.site.model import Site

_WIDE = 8  # a network with fewer bits than this is as good as everybody


def problems(site: Site) -> Iterator[Problem]:
    """Traffic of the site's own that would cross the internet unencrypted."""
    yield from _redis(site)
    if len(site.hosts) == 1 or site.cluster_is_private:
        return
    redis = () if site.redis.external else site.with_role("redis")
    for name, host in site.hosts.items():
        if not ipaddress.ip_address(host.cluster_address).is_global:
            continue
        where = f"the public address {host.cluster_address}"
        if name in redis:
            remedy = f"give hosts.{name}.cluster a private address, or use redis.external with tls"
            yield Problem("redis", f"would listen on {where} without TLS", remedy)
        fact = f"signalling with its tokens, streams and metrics would go to and from {where} unencrypted"
        remedy = (
            f"give hosts.{name}.cluster an address in a private network or in a tunnel (WireGuard) between the hosts; "
            "set cluster_is_private if what these addresses carry is encrypted already"
        )
        yield Problem(f"hosts.{name}.cluster", fact, remedy)


def _redis(site: Site) -> Iterator[Problem]:
    """A Redis of somebody else's; of one that is named, DNS decides where it is."""
    external = site.redis.external
    if external is None or external.tls or site.cluster_is_private:
        return
    for address in filter(None, (external.address, *external.sentinels)):
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_global:
                remedy = "set redis.external.tls, or give it an address in a private network"
                yield Problem("redis.external", f"its password would go to {address} unencrypted", remedy)


def notes(site: Site, name: str) -> tuple[Problem, ...]:
    """What the operator of a host at a public address should have chosen, not been given."""
    host, found = site.hosts[name], list[Problem]()
    if not ipaddress.ip_address(host.public_address).is_global:
        return ()
    if name in tls.hosts(site) and not site.edge.encrypted and not site.edge.proxies:
        fact = f"is off: tokens come to {host.public_address}:{site.edge.http} in the clear, from anywhere"
        remedy = "set it to acme, provided or internal; if a TLS proxy of yours is in front, name it in edge.proxies"
        found.append(Problem(f"{name}: edge.tls", fact, remedy))
    wide = [n for n in site.firewall.admin if ipaddress.ip_network(n).prefixlen < _WIDE]
    if wide:
        fact = f"lets {', '.join(wide)} open SSH at {host.public_address}"
        found.append(Problem(f"{name}: firewall.admin", fact, "name the networks that you administer from"))
    return tuple(found)
