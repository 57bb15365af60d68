"""What the edge tells the rest of the house."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.core.slots.decision import GUARD
from livekit_metal.roles.acme.certificates import at_edge
from livekit_metal.roles.edge import authority, certificates
from livekit_metal.roles.edge.backends import Slot
from livekit_metal.roles.edge.doors import EACH, PROXIES, is_loopback
from livekit_metal.roles.edge.settings import UNIT, Settings
from livekit_metal.roles.livekit import turn
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.prometheus.settings import Target
from livekit_metal.site import redis, scraping, slotted
from livekit_metal.site.host import Host
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed

_ONE_PLACE = (
    *("tls", "domain", "names", "path_prefix", "certificate", "key", "ca_file", "certificate_days", "hsts_days"),
    *("https", "redirect", "http", "rtmp", "turn", "turn_proxy_protocol", "proxies"),
)
_NEXT_DOOR = "the edges of the other hosts come to it"


class Edge(Role[Settings]):
    name = "edge"
    purpose = "HAProxy"
    settings = Settings
    rank = 1
    everywhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(_ONE_PLACE, "clients come to any edge, and find the same at each"),
        "peer": _NEXT_DOOR,
        "rtmp_peer": _NEXT_DOOR,
        "metrics": "Prometheus asks all of them alike",
    }

    def on(self, site: Site, host: str) -> Settings | None:
        if not site.calls(host):
            return None
        own, livekit, serving = site.of(Settings), site.of(Livekit), site.with_role("livekit")
        return dataclasses.replace(
            own,
            listens=_meant(own.address, site.hosts[host]),
            cluster_address=site.inside(host),
            slots=tuple(
                Slot(
                    name=s,
                    signal=livekit.part("signal", s).first,
                    metrics=livekit.part("metrics", s).first,
                    turn=livekit.part("turn-tls", s).first if livekit.turn.enabled else 0,
                    header=turn.header(livekit, host),
                )
                for s in (livekit.slots if host in serving else ())
            ),
            turn_name=livekit.turn.name(host),
            turn_address=site.hosts[host].address,
            slot_unit=livekit.unit,
            peers={n: site.hosts[n].cluster_address for n in serving if n != host},
            # they name the rules of the firewall: a role that came later changes rules only where it is
            callers=tuple(role for role in site.callers if role in redis.callers(site) or site.with_role(role)),
            config_root=site.paths.config,
            active=slotted.active(site),
            monitored=scraping.wanted(site),
            metrics_address=scraping.address(site, host, door=True),
            metrics_clients=scraping.clients(site, door=True),
            scrapers=scraping.scrapers(site, host),
            served=site.served.get(host),
            acme=at_edge(site) if own.tls == "acme" else None,
            **site.given_to(self.name, host),
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=("haproxy",), masked=("haproxy.service",), units=(UNIT, GUARD))

    def problems(self, site: Site) -> Iterator[Problem]:
        yield from certificates.problems(site)
        yield from _unfit(site)

    def networks(self, site: Site) -> Mapping[str, tuple[str, ...]]:
        return {PROXIES: site.of(Settings).proxies}

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
        own, vault = site.of(Settings), site.opened
        internal, ca_file = own.tls == "internal", authority.file(vault)
        site = site.having(dataclasses.replace(own, backends=certificates.with_authorities(own.backends, directory)))
        site = dataclasses.replace(site, served=certificates.served(site, vault, directory, ca_file))
        if internal:
            site = dataclasses.replace(site, ca_file=ca_file, words=tuple(authority.words(vault)))
        if own.ca_file:
            certificates.text(own.ca_file, "edge.ca_file", directory)
            site = dataclasses.replace(site, ca_file=directory / Path(own.ca_file).expanduser())
        return site

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        bound = tuple(a for a in own.listens if not is_loopback(a)) if own.public else ()
        return {"unsigned": certificates.unsigned(site, stack.host), "bound": bound}

    def scraped(self, site: Site, host: str) -> Iterator[Target]:
        if (own := self.on(site, host)) is None:
            return
        port, at = own.metrics.first, {"host": host, "address": own.metrics_address}
        yield Target(job="edge", port=port, **at)
        if own.encrypted:
            yield Target(job="certificate", component="edge", port=port, path="/certificate", **at)
        for s in own.scraped:
            yield Target(job=s.component, port=port, path=s.path, slot=s.slot, **at)


def _meant(addresses: Iterable[str], host: Host) -> tuple[str, ...]:
    """The addresses of ``host`` that edge.address names."""
    said = {"address": host.address, "ipv6": host.ipv6, "cluster": host.cluster_address}
    found = (said.get(each, each) for each in addresses)
    return tuple(dict.fromkeys(str(ipaddress.ip_address(each)) for each in found if each))


def _unfit(site: Site) -> Iterator[Problem]:
    """Addresses that not every host with clients at its edge can have."""
    own = [n for n in certificates.hosts(site) if not site.laying("edge", n)]
    hosts = [n for n in own if site.of(Settings, n).address == site.of(Settings).address]
    for i, each in enumerate(site.of(Settings).address):
        path = f"edge.address[{i}]"
        if each == "ipv6":
            for name in (n for n in hosts if not site.hosts[n].ipv6):
                yield Problem(path, f"is ipv6, and hosts.{name} has none", f"give hosts.{name}.ipv6, or drop it")
        elif each not in EACH and len(hosts) > 1 and not is_loopback(each):
            remedy = f"write {', '.join(EACH)}: what hosts.NAME says"
            yield Problem(path, f"{each} is of one host, and {len(hosts)} have clients at their edges", remedy)


ROLE = Edge()
