"""What the edge tells the rest of the house."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.slots.decision import GUARD
from livekit_metal.roles.acme.certificates import at_edge
from livekit_metal.roles.edge import authority, certificates
from livekit_metal.roles.edge.backends import Slot
from livekit_metal.roles.edge.settings import UNIT, Settings
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.prometheus.settings import Target
from livekit_metal.site import slotted
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed


class Edge(Role[Settings]):
    name = "edge"
    purpose = "HAProxy"
    settings = Settings
    rank = 1

    def on(self, site: Site, host: str) -> Settings | None:
        if not site.calls(host):
            return None
        own, livekit, serving = site.of(Settings), site.of(Livekit), site.with_role("livekit")
        return dataclasses.replace(
            own,
            address=site.inside(host),
            slots=tuple(
                Slot(
                    name=s,
                    signal=livekit.part("signal", s).first,
                    metrics=livekit.part("metrics", s).first,
                    turn=livekit.part("turn-tls", s).first,
                )
                for s in (livekit.slots if host in serving else ())
            ),
            turn_name=livekit.turn.name(host),
            turn_address=site.hosts[host].address,
            slot_unit=livekit.unit,
            peers={n: site.hosts[n].cluster_address for n in serving if n != host},
            callers=site.callers,
            config_root=site.paths.config,
            active=slotted.active(site),
            monitored=bool(site.with_role("prometheus")),
            served=site.served.get(host),
            acme=at_edge(site) if own.tls == "acme" else None,
            **site.given_to(self.name, host),
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=("haproxy",), masked=("haproxy.service",), units=(UNIT, GUARD))

    def problems(self, site: Site) -> Iterator[Problem]:
        return certificates.problems(site)

    def notes(self, site: Site, host: str) -> Iterator[Problem]:
        own, address = site.of(Settings), site.hosts[host].public_address
        open_ = host in certificates.hosts(site) and not own.encrypted and not own.proxies
        if open_ and ipaddress.ip_address(address).is_global:
            fact = f"is off: tokens come to {address}:{own.http} in the clear, from anywhere"
            remedy = (
                "set it to acme, provided or internal; if a TLS proxy of yours is in front, name it in edge.proxies"
            )
            yield Problem(f"{host}: edge.tls", fact, remedy)

    def loaded(self, site: Site, directory: Path) -> Site:
        internal, vault = site.of(Settings).tls == "internal", site.opened
        ca_file = authority.file(vault)
        site = dataclasses.replace(site, served=certificates.served(site, vault, directory, ca_file))
        if internal:
            site = dataclasses.replace(site, ca_file=ca_file, words=tuple(authority.words(vault)))
        return site

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        return {"unsigned": certificates.unsigned(site, stack.host)}

    def scraped(self, site: Site, host: str) -> Iterator[Target]:
        if (own := self.on(site, host)) is None:
            return
        port, at = own.metrics.first, {"host": host, "address": site.inside(host)}
        yield Target(job="edge", port=port, **at)
        if own.encrypted:
            yield Target(job="certificate", component="edge", port=port, path="/certificate", **at)
        for s in own.scraped:
            yield Target(job=s.component, port=port, path=f"/{s.component}/{s.slot}", slot=s.slot, **at)


ROLE = Edge()
