"""What preflight tells the rest of the house, and what it is told by the other roles."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator

from livekit_metal.core.errors import Problem
from livekit_metal.core.passthrough import joined
from livekit_metal.core.sizing import Need, need
from livekit_metal.roles.base.settings import FINGERPRINT, SERIAL
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.exporters.settings import Settings as Exporters
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.preflight.settings import Peer, Settings
from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.site import redis
from livekit_metal.site.model import HostStack, Role, Site


class Preflight(Role[Settings]):
    name = "preflight"
    purpose = "what a host must offer"
    settings = Settings
    rank = 0

    def finished(self, site: Site, stack: HostStack, own: Settings) -> Settings:
        host, vault = stack.host, site.opened
        at, here = site.hosts[host], [(role, getattr(stack, role.name)) for role in site.roles]
        asked = joined(role.asked(site, stack, each) for role, each in here if each is not None)
        addresses = (at.cluster_address, *asked.pop("addresses", ()))
        daemons = [role for role in site.callers if role != "livekit" and role in at.roles]
        alone = len(site.hosts) == 1 and len(addresses) == 1  # then nobody is told of it
        return dataclasses.replace(
            own,
            host=host,
            ports=stack.ports,
            addresses=() if alone else tuple(dict.fromkeys(addresses)),
            arch=at.arch,
            peers=_knocks(site, host),
            behind=_behind(site, host),
            daemons=tuple(unit for each in site.installed(stack) for unit in each.units),
            media=site.of(Livekit).media_udp,
            fingerprint=vault.fingerprint(),
            fingerprint_file=f"{site.paths.config}/{FINGERPRINT}",
            named=bool(site.of(Edge).domain),
            words=site.words if host == next(iter(site.hosts)) else (),
            secrets=vault.state,
            serial_file=f"{site.paths.config}/{SERIAL}",
            secrets_file=str(vault.path),
            roots=(site.paths.config, site.paths.releases, site.paths.state),
            need=_need(site, host),
            notes=(*(note for role in site.roles for note in role.notes(site, host)), *_shared(site, host)),
            first_apart=vault.apart or 0 if daemons else 0,
            nodes=site.with_role("livekit"),
            **asked,
        )

    def problems(self, site: Site) -> Iterator[Problem]:
        """Traffic of the site's own that would cross the internet unencrypted."""
        if len(site.hosts) == 1 or site.cluster_is_private:
            return
        for name, host in site.hosts.items():
            if ipaddress.ip_address(host.cluster_address).is_global:
                fact = "signalling with its tokens, streams and metrics would go to and from the public address "
                remedy = (
                    f"give hosts.{name}.cluster an address in a private network or in a tunnel (WireGuard) between the "
                    "hosts; set cluster_is_private if what these addresses carry is encrypted already"
                )
                yield Problem(f"hosts.{name}.cluster", f"{fact}{host.cluster_address} unencrypted", remedy)


def _shared(site: Site, host: str) -> Iterator[Problem]:
    """Noted once, of the first node."""
    having = [role for role in site.callers if role != "livekit" and site.with_role(role)]
    if having and host == site.with_role("livekit")[0] and site.opened.apart is None:
        fact = f"{', '.join(having)} use the applications' API key"
        remedy = "when every host is deployed, give them their own: python -m procedures.secrets INVENTORY"
        yield Problem("secrets", fact, f"{remedy} separate daemons")


_ASKED = 3  # of the nodes of a large site: how many each host asks, and by how many each is asked


def _knocks(site: Site, host: str) -> tuple[Peer, ...]:
    """Where a host must get through, one port for each other host: those that its firewall opens for this one.

    Prometheus' host asks everybody, everybody asks Redis'; of the nodes each host asks the next few of the list, or
    all while they are few: what keeps one pair apart alone is rare, and every node is asked by some.
    """
    ports: dict[str, int] = {}
    if "prometheus" in site.hosts[host].roles:
        ports |= dict.fromkeys(site.hosts, site.of(Exporters).node.first)
    if site.calls(host):
        if any(role in redis.callers(site) for role in site.hosts[host].roles):
            ports |= dict.fromkeys(site.with_role("redis"), site.of(Redis).port.first)
        ports |= dict.fromkeys(_next(site, host), site.of(Edge).peer.first)
    return tuple(Peer(name=n, address=site.hosts[n].cluster_address, port=p) for n, p in ports.items() if n != host)


def _behind(site: Site, host: str) -> tuple[Peer, ...]:
    """The nodes behind NAT that daemons of another host call, by the port of theirs that a TCP client may have.

    Nothing need listen there yet: a port that is refused has been reached.
    """
    own, roles = site.of(Livekit), set(site.hosts[host].roles)
    calling = bool(roles.intersection(site.callers) - {"livekit"}) or (own.probe == "peer" and "livekit" in roles)
    if not calling or not own.ice_over_tcp:
        return ()
    found = ((n, site.hosts[n]) for n in _next(site, host) if n != host)
    away = [(n, at) for n, at in found if at.public_address != at.address and not at.inside]
    return tuple(Peer(name=n, address=at.public_address, port=site.of(Livekit, n).ice_tcp.first) for n, at in away)


def _next(site: Site, host: str) -> tuple[str, ...]:
    """The nodes after ``host`` in the list, which begins again after its end."""
    names, nodes = list(site.hosts), set(site.with_role("livekit"))
    here = names.index(host)
    return tuple(name for name in (*names[here + 1 :], *names[:here]) if name in nodes)[:_ASKED]


def _need(site: Site, host: str) -> Need | None:
    """What the expected load asks of a host; None when none is named, or it carries none of it."""
    if not site.load.named or host not in site.with_role("livekit"):
        return None
    redis_mb = site.of(Redis).max_memory_mb * ("redis" in site.hosts[host].roles)
    return need(site.load, len(site.with_role("livekit")), redis_mb=redis_mb)


ROLE = Preflight()
