"""From a site to the settings of every role on one host.

Data about peers comes from the site, never from another host's state: ``--limit`` and a dead host do no harm.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roles.base import Settings as Base
from roles.edge import Settings as Edge
from roles.exporters import Settings as Exporters
from roles.firewall import Settings as Firewall
from roles.kamailio import Settings as Kamailio
from roles.kernel import Settings as Kernel
from roles.livekit import Settings as Livekit
from roles.livekit.settings import UNIT as LIVEKIT_UNIT
from roles.preflight import Settings as Preflight
from roles.prometheus import Settings as Prometheus
from roles.redis import Settings as Redis
from roles.redis.settings import FORMER_UNIT as REDIS_FORMER_UNIT
from roles.redis.settings import UNIT as REDIS_UNIT
from roles.sip import Settings as Sip
from roles.sip.settings import UNIT as SIP_UNIT
from stack import neighbours, packages
from stack.ports import Port
from stack.vault import Vault

if TYPE_CHECKING:
    from stack.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The roles of one host; None where a role is not there."""

    host: str
    ports: tuple[Port, ...]
    preflight: Preflight
    base: Base
    kernel: Kernel
    firewall: Firewall
    redis: Redis | None
    livekit: Livekit | None
    edge: Edge | None
    kamailio: Kamailio | None
    sip: Sip | None
    exporters: Exporters | None
    prometheus: Prometheus | None


def complete(site: Site, *, name: str, vault: Vault, lock: Path) -> Site:
    """The site with what the inventory cannot say."""
    return dataclasses.replace(site, name=name, vault=vault, lock=lock)


def stack(site: Site, name: str) -> Stack:
    """The settings of every role on host ``name``."""
    host = site.hosts[name]
    redis = neighbours.redis(site, host) if "redis" in host.roles else None
    livekit = neighbours.livekit(site, name, host) if "livekit" in host.roles else None
    edge = neighbours.edge(site, name, host) if livekit else None
    sip = neighbours.sip(site, name, host) if "sip" in host.roles else None
    kamailio = neighbours.kamailio(site, host) if sip else None
    exporters = neighbours.exporters(site, host) if site.with_role("prometheus") else None
    prometheus = neighbours.prometheus(site) if "prometheus" in host.roles else None
    present = tuple(r for r in (redis, livekit, edge, kamailio, sip, exporters, prometheus) if r is not None)
    firewall = dataclasses.replace(
        site.firewall,
        ssh_port=host.ssh.port,
        peers=neighbours.peers(site),
        lasting=(LIVEKIT_UNIT.partition("{")[0], SIP_UNIT.partition("{")[0], REDIS_UNIT, REDIS_FORMER_UNIT),
        config_root=site.paths.config,
    )
    registry = (*firewall.ports_of_own(), *(p for role in present for p in role.ports()))
    return Stack(
        host=name,
        ports=registry,
        preflight=neighbours.preflight(site, name, host, registry),
        base=packages.base(site, host, neighbours.vault_of(site).fingerprint()),
        kernel=dataclasses.replace(site.kernel, reserved=tuple(p.range for p in registry), redis=redis is not None),
        firewall=dataclasses.replace(firewall, ports=registry),
        redis=redis,
        livekit=livekit,
        edge=edge,
        kamailio=kamailio,
        sip=sip,
        exporters=exporters,
        prometheus=prometheus,
    )
