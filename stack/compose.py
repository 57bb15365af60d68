"""From a site to the settings of every role on one host.

Data about peers comes from the site, never from another host's state: ``--limit`` and a dead host do no harm.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roles.base import Settings as Base
from roles.edge import Settings as Edge
from roles.exporters import Settings as Exporters
from roles.firewall import Settings as Firewall
from roles.kernel import Settings as Kernel
from roles.livekit import Settings as Livekit
from roles.livekit.settings import UNIT as LIVEKIT_UNIT
from roles.preflight import Settings as Preflight
from roles.prometheus import Settings as Prometheus
from roles.redis import Settings as Redis
from roles.redis.settings import FORMER_UNIT as REDIS_FORMER_UNIT
from roles.redis.settings import UNIT as REDIS_UNIT
from stack import neighbours, packages
from stack.ports import Port

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
    exporters: Exporters | None
    prometheus: Prometheus | None


def complete(site: Site, **given: Any) -> Site:
    """The site with what the inventory cannot say."""
    return dataclasses.replace(site, **given)


def stack(site: Site, name: str) -> Stack:
    """The settings of every role on host ``name``."""
    host = site.hosts[name]
    redis = neighbours.redis(site, host) if "redis" in host.roles else None
    livekit = neighbours.livekit(site, name, host) if "livekit" in host.roles else None
    edge = neighbours.edge(site, name, host) if livekit else None
    exporters = neighbours.exporters(site, host) if site.with_role("prometheus") else None
    prometheus = neighbours.prometheus(site) if "prometheus" in host.roles else None
    present = tuple(r for r in (redis, livekit, edge, exporters, prometheus) if r is not None)
    firewall = dataclasses.replace(
        site.firewall,
        ssh_port=host.ssh.port,
        peers=neighbours.peers(site),
        lasting=(LIVEKIT_UNIT.partition("{")[0], REDIS_UNIT, REDIS_FORMER_UNIT),
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
        exporters=exporters,
        prometheus=prometheus,
    )
