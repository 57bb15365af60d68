"""Who asks for metrics, and where a host has them: our Prometheus, and whoever ``exporters.networks`` lets ask."""

from __future__ import annotations

import hashlib

from livekit_metal.core.ports import endpoint
from livekit_metal.roles.edge.backends import Scrapers
from livekit_metal.roles.exporters.settings import LOGIN, SCRAPERS, Settings
from livekit_metal.site.model import Site


def wanted(site: Site) -> bool:
    """Whether anybody asks."""
    return bool(site.with_role("prometheus") or site.of(Settings).networks)


def clients(site: Site, *, door: bool = False) -> tuple[str, ...]:
    """Who may open the ports of exporters, as Port.clients names them; ``door``: the edge's, where one may log in."""
    own = site.of(Settings)
    others = (SCRAPERS,) if own.networks and (door or not own.login) else ()
    return (*(("prometheus",) if site.with_role("prometheus") or not others else ()), *others)


def address(site: Site, host: str, *, door: bool = False) -> str:
    """Where a host has the metrics of its exporters, or (``door``) of its edge."""
    return site.hosts[host].cluster_address if SCRAPERS in clients(site, door=door) else site.inside(host)


def scrapers(site: Site, host: str) -> Scrapers | None:
    """Who logs in at the edge of a host to scrape all that is on it; None: nobody does."""
    own = site.of(Settings)
    if not (own.networks and own.login):
        return None
    at, ours = address(site, host), site.cluster_addresses("prometheus") if site.with_role("prometheus") else ()
    passwords = [each.reveal() for each in site.opened.passwords(LOGIN)]
    others = {"node": endpoint(at, own.node.first)}
    if host in site.with_role("redis"):
        others["redis"] = endpoint(at, own.redis.first)
    return Scrapers(
        user=own.login,
        digests=tuple(hashlib.sha256(each.encode()).hexdigest().upper() for each in passwords),
        ours=tuple(dict.fromkeys((*ours, "127.0.0.1"))),
        others=others,
    )
