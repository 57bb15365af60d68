"""From a site to the settings of every role on one host.

Data about peers comes from the site, never from another host's state: ``--limit`` and a dead host do no harm.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livekit_metal.core.ports import Port
from livekit_metal.core.slot_decision import Refresh
from livekit_metal.roles.acme.settings import Settings as Acme
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.egress.settings import UNIT as EGRESS_UNIT
from livekit_metal.roles.egress.settings import Settings as Egress
from livekit_metal.roles.exporters.settings import Settings as Exporters
from livekit_metal.roles.firewall.settings import Settings as Firewall
from livekit_metal.roles.ingress.settings import UNIT as INGRESS_UNIT
from livekit_metal.roles.ingress.settings import Settings as Ingress
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from livekit_metal.roles.kernel.settings import Settings as Kernel
from livekit_metal.roles.livekit.settings import UNIT as LIVEKIT_UNIT
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.roles.prometheus.settings import Settings as Prometheus
from livekit_metal.roles.redis.settings import FORWARD_UNIT as REDIS_FORMER_UNIT
from livekit_metal.roles.redis.settings import UNIT as REDIS_UNIT
from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.roles.sip.settings import UNIT as SIP_UNIT
from livekit_metal.roles.sip.settings import Settings as Sip
from livekit_metal.site.wiring import acme, neighbours, packages, preflight
from livekit_metal.site.wiring import ingress as streams
from livekit_metal.site.wiring import sip as phones

if TYPE_CHECKING:
    from livekit_metal.site.model import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStack:
    """The roles of one host; None where a role is not there."""

    host: str
    ports: tuple[Port, ...]
    preflight: Preflight
    base: Base
    kernel: Kernel
    firewall: Firewall
    redis: Redis | None
    livekit: Livekit | None
    egress: Egress | None
    ingress: Ingress | None
    edge: Edge | None
    acme: Acme | None
    kamailio: Kamailio | None
    sip: Sip | None
    exporters: Exporters | None
    prometheus: Prometheus | None


def complete(site: Site, **given: Any) -> Site:
    """The site with what the inventory cannot say."""
    return dataclasses.replace(site, **given)


def host_stack(site: Site, name: str, *, refresh: bool = False) -> HostStack:
    """The settings of every role on host ``name``; ``refresh``: slots that run old code get a new process now."""
    if refresh or site.base.refresh_slots:
        site = _refreshing(site, Refresh.ASKED if refresh else Refresh.EMPTY)
    host = site.hosts[name]
    redis = neighbours.redis(site, host) if "redis" in host.roles else None
    livekit = streams.told(site, neighbours.livekit(site, name, host)) if "livekit" in host.roles else None
    egress = neighbours.egress(site, host) if "egress" in host.roles else None
    ingress = streams.ingress(site, host) if "ingress" in host.roles else None
    edge = streams.in_front(site, name, neighbours.edge(site, name, host)) if host.calls else None
    sip = phones.sip(site, name, host) if "sip" in host.roles else None
    kamailio = phones.kamailio(site, host) if sip else None
    exporters = neighbours.exporters(site, host) if site.with_role("prometheus") else None
    prometheus = neighbours.prometheus(site) if "prometheus" in host.roles else None
    every = (redis, livekit, egress, ingress, edge, kamailio, sip, exporters, prometheus)
    present = tuple(role for role in every if role is not None)
    firewall = dataclasses.replace(
        site.firewall,
        ssh_port=host.ssh.port,
        peers=neighbours.peers(site) | phones.networks(site),
        lasting=(
            *(u.partition("{")[0] for u in (LIVEKIT_UNIT, EGRESS_UNIT, INGRESS_UNIT, SIP_UNIT)),
            REDIS_UNIT,
            REDIS_FORMER_UNIT,
        ),
        relays=neighbours.relays(site),
        config_root=site.paths.config,
    )
    registry = (*firewall.ports_of_own(), *(p for role in present for p in role.ports()))
    return HostStack(
        host=name,
        ports=registry,
        preflight=streams.asked(site, host, preflight.preflight(site, name, host, registry)),
        base=packages.base(site, host, neighbours.vault_of(site).fingerprint()),
        kernel=dataclasses.replace(
            site.kernel,
            reserved=tuple(p.range for p in registry),
            relays=firewall.relays.sources,
            rules=firewall.main,
            redis=redis is not None,
        ),
        firewall=dataclasses.replace(firewall, ports=registry),
        redis=redis,
        livekit=livekit,
        egress=egress,
        ingress=ingress,
        edge=edge,
        acme=acme.on(site, name, edge) if edge else None,
        kamailio=kamailio,
        sip=sip,
        exporters=exporters,
        prometheus=prometheus,
    )


def _refreshing(site: Site, how: Refresh) -> Site:
    """The site with ``how`` in the settings of every daemon in slots."""
    slotted = {role: getattr(site, role) for role in ("livekit", "egress", "ingress", "sip")}
    return dataclasses.replace(site, **{role: dataclasses.replace(each, refresh=how) for role, each in slotted.items()})
