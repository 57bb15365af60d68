"""What the exporters tell the rest of the house."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.roles.exporters.settings import (
    METRICS_UNIT,
    NODE_UNIT,
    NODE_USER,
    REDIS_UNIT,
    SCRAPERS,
    Settings,
    Slotted,
)
from livekit_metal.roles.prometheus.settings import Target
from livekit_metal.site import redis, scraping
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed
from livekit_metal.site.slotted import active
from livekit_metal.site.slotted_settings import SlottedSettings

_NODE, _REDIS = "prometheus-node-exporter", "prometheus-redis-exporter"


class Exporters(Role[Settings]):
    name = "exporters"
    purpose = "Prometheus exporters"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {"": "Prometheus asks all of them alike"}
    rank = 3

    def on(self, site: Site, host: str) -> Settings | None:
        if not scraping.wanted(site):
            return None
        here = host in site.with_role("redis")
        return dataclasses.replace(
            site.of(Settings),
            address=scraping.address(site, host),
            clients=scraping.clients(site),
            redis_address=redis.address(site) if here else "",
            redis_password=site.opened.passwords("redis-monitor")[0] if here else None,
            config_root=site.paths.config,
            active_file=active(site).file,
            **site.given_to(self.name, host),
        )

    def finished(self, site: Site, stack: HostStack, own: Settings) -> Settings:
        there: list[tuple[bool, Any]] = [(role.several, getattr(stack, role.name)) for role in site.roles]
        daemons = [each for several, found in there if found for each in (found.daemons if several else (found,))]
        return dataclasses.replace(own, slotted=tuple(_slotted(d) for d in daemons if isinstance(d, SlottedSettings)))

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        beside = bool(own.redis_address)
        return Installed(
            packages=(_NODE, *((_REDIS,) if beside else ())),
            masked=(f"{_NODE}.service", *((f"{_REDIS}.service",) if beside else ())),
            units=(NODE_UNIT, METRICS_UNIT, *((REDIS_UNIT,) if beside else ())),
            users=(NODE_USER,),
        )

    def networks(self, site: Site) -> Mapping[str, tuple[str, ...]]:
        found = site.of(Settings).networks
        return {SCRAPERS: found} if found else {}

    def problems(self, site: Site) -> Iterator[Problem]:
        own = site.of(Settings)
        yield from _in_clear(site, own)
        for host in site.hosts if own.login and own.networks else ():
            if not site.calls(host):
                fact = f"{host} has no edge, where a Prometheus of yours would log in"
                yield Problem("exporters.login", fact, "leave it empty: then networks alone say who may scrape")

    def scraped(self, site: Site, host: str) -> Iterator[Target]:
        own, at = site.of(Settings), {"host": host, "address": scraping.address(site, host)}
        yield Target(job="node", port=own.node.first, **at)
        if host in site.with_role("redis"):
            yield Target(job="redis", port=own.redis.first, **at)


def _in_clear(site: Site, own: Settings) -> Iterator[Problem]:
    """Preflight asks the same of what several hosts send each other."""
    if not own.networks or len(site.hosts) > 1 or site.cluster_is_private:
        return
    for name, at in site.hosts.items():
        if ipaddress.ip_address(at.cluster_address).is_global:
            what = "metrics and the password of exporters.login" if own.login else "metrics"
            fact = f"{what} would go over the internet in clear, at {at.cluster_address}"
            remedy = f"name an address in a private network or a tunnel in hosts.{name}.cluster, or set "
            yield Problem("exporters.networks", fact, f"{remedy}cluster_is_private if that network encrypts")


def _slotted(daemon: SlottedSettings) -> Slotted:
    return Slotted(
        component=daemon.component, unit=daemon.unit, generations=daemon.generations, drop_in=daemon.drain_drop_in
    )


ROLE = Exporters()
