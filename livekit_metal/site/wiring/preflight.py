"""What preflight asks of a host before anything is changed. Put together by compose.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from livekit_metal.core.errors import Problem
from livekit_metal.core.ports import Port
from livekit_metal.roles.base.settings import FINGERPRINT, SERIAL
from livekit_metal.roles.preflight.settings import Demand, Offered, Peer
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.site import exposed
from livekit_metal.site.host import DAEMONS
from livekit_metal.site.sizing import Need, need
from livekit_metal.site.wiring import neighbours, packages, tls

if TYPE_CHECKING:
    from livekit_metal.site.host import Host
    from livekit_metal.site.model import Site


def preflight(site: Site, name: str, host: Host, registry: tuple[Port, ...]) -> Preflight:
    own = [host.cluster_address] + ([host.address, *filter(None, (host.ipv6,))] if "livekit" in host.roles else [])
    calls = site.livekit.probe if "livekit" in host.roles and site.livekit.probe != "controller" else ""
    media = min(len(site.livekit.part("media", s)) for s in site.livekit.slots)
    return dataclasses.replace(
        site.preflight,
        host=name,
        ports=registry,
        addresses=tuple(dict.fromkeys(own)) if len(site.hosts) > 1 or "livekit" in host.roles else (),
        arch=host.arch,
        peers=_knocks(site, name, host),
        daemons=packages.base(site, host, "").daemons,
        media_ports_per_slot=media if "livekit" in host.roles else 0,
        demands=_demands(site, host),
        calls=calls,
        hairpin=host.public_address if "livekit" in host.roles and host.public_address != host.address else "",
        offered=_offered(site, host),
        media=site.livekit.media_udp,
        fingerprint=neighbours.vault_of(site).fingerprint(),
        fingerprint_file=f"{site.paths.config}/{FINGERPRINT}",
        unsigned=tls.unsigned(site, name),
        named=bool(site.edge.domain),
        words=site.words if name == next(iter(site.hosts)) else (),
        secrets=neighbours.vault_of(site).state,
        serial_file=f"{site.paths.config}/{SERIAL}",
        secrets_file=str(neighbours.vault_of(site).path),
        roots=(site.paths.config, site.paths.releases, site.paths.state),
        need=_need(site, host),
        opened=site.firewall.open,
        closed=site.firewall.closed,
        trusted=site.firewall.trusted,
        notes=(*exposed.notes(site, name), *_shares(site, name)),
        apart=neighbours.vault_of(site).apart or 0 if "livekit" in host.roles else 0,
        first_apart=neighbours.vault_of(site).apart or 0 if {*DAEMONS} & {*host.roles} else 0,
        nodes=site.with_role("livekit"),
    )


def _shares(site: Site, name: str) -> Iterator[Problem]:
    """Told once, of the first node."""
    having = [role for role in DAEMONS if site.with_role(role)]
    if having and name == site.with_role("livekit")[0] and neighbours.vault_of(site).apart is None:
        fact = f"{', '.join(having)} use the applications' API key"
        remedy = "when every host is deployed, give them their own: python -m procedures.secrets INVENTORY"
        yield Problem("secrets", fact, f"{remedy} separate daemons")


def _knocks(site: Site, name: str, host: Host) -> tuple[Peer, ...]:
    """Where ``host`` must get through, one port for each other host: those that its firewall opens for this one."""
    ports: dict[str, int] = {}
    if "prometheus" in host.roles:
        ports |= dict.fromkeys(site.hosts, site.exporters.node.first)
    if host.calls:
        ports |= dict.fromkeys(site.with_role("redis"), site.redis.port.first)
        ports |= dict.fromkeys(site.with_role("livekit"), site.edge.peer.first)
    return tuple(Peer(name=n, address=site.hosts[n].cluster_address, port=p) for n, p in ports.items() if n != name)


def _offered(site: Site, host: Host) -> Offered | None:
    if "livekit" not in host.roles:
        return None
    return Offered(
        node_ip=host.node_ip,
        networks=host.media_networks,
        interfaces=host.interfaces,
        narrowed=bool(host.ips or host.interfaces),
        over_tls=bool(site.livekit.turn.domain),
    )


def _demands(site: Site, host: Host) -> tuple[Demand, ...]:
    """What recordings need of a host: their cores, and their disk twice, as a file is copied when it is complete."""
    if "egress" not in host.roles:
        return ()
    cores = (Demand(path="egress.records", what=kind, cores=need) for kind, need in site.egress.cores.items())
    twice = 2 * site.egress.disk_mb
    disk = Demand(
        path="egress.disk_mb", what="recordings and their copies", megabytes=twice, directory=site.paths.state
    )
    return (*cores, disk)


def _need(site: Site, host: Host) -> Need | None:
    """What the expected load asks of ``host``; None when none is named, or it carries none of it."""
    if not site.load.named or "livekit" not in host.roles:
        return None
    return need(site.load, len(site.with_role("livekit")), redis_mb=site.redis.max_memory_mb * ("redis" in host.roles))
