"""What every daemon in slots is told of the site, and what is wrong with its release there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import Refresh
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.roles.edge.settings import SOCKET
from livekit_metal.site import redis
from livekit_metal.site.model import Site


def active(site: Site) -> Active:
    """Where it is written which slot of a host gets new sessions."""
    return Active(f"{site.paths.config}/active.map", SOCKET)


def told(site: Site, host: str, role: str) -> dict[str, Any]:
    """The derived settings that all have, by name."""
    return {
        "redis": redis.client(site, role),
        "config_root": site.paths.config,
        "release_root": site.paths.releases,
        "active": active(site),
        "lock_file": str(site.lock or ""),
        "arch": site.hosts[host].arch,
        "refresh": _refresh(site),
    }


def _refresh(site: Site) -> Refresh:
    if site.refresh:
        return Refresh.ASKED
    return Refresh.EMPTY if site.of(Base).refresh_slots else Refresh.NO


def release_problems(site: Site, role: str, settings: Any) -> Iterator[Problem]:
    """Why the release that is asked for cannot be had for the hosts with ``role``."""
    if not (names := site.with_role(role)):
        return
    try:
        release = settings.release_spec()
        for name in names:
            release.check(site.hosts[name].arch)
    except SiteError as error:
        yield from error.problems
