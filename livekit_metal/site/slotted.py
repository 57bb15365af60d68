"""What every daemon in slots tells the rest of the house, and what it is told of the site."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import Refresh
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.roles.edge.backends import scraped
from livekit_metal.roles.edge.settings import SOCKET
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.site import redis
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed
from livekit_metal.site.slotted_settings import SlottedSettings

S = TypeVar("S", bound=SlottedSettings)


class SlottedRole(Role[S]):
    """A daemon in slots; a role adds how it differs from the others."""

    named = caller = slots = reports = True
    explained_by: ClassVar[tuple[str, ...]] = ("redis", "bus")
    everywhere: ClassVar[Mapping[str, str]] = {
        "release": "what runs on one host speaks with what runs on the others",
    }
    by_edge: ClassVar[str] = ""  # what of it a reload of the edge would cut: the edge waits as long as its drain

    def __init_subclass__(cls) -> None:
        cls.outlasting = (cls.settings.unit.partition("{")[0],)

    def on(self, site: Site, host: str) -> S | None:
        if (own := super().on(site, host)) is None:
            return None
        everybody = told(site, host) | {"redis": redis.client(site, self.name)}
        return dataclasses.replace(own, **everybody | dict(self.wired(site, host, own)))

    def wired(self, site: Site, host: str, own: S) -> Mapping[str, Any]:
        """Derived settings that only this daemon has, by name."""
        return {}

    def packages(self, own: S) -> tuple[str, ...]:
        """What it needs of Debian's."""
        return ()

    def installed(self, site: Site, stack: HostStack, own: S) -> Installed:
        units = tuple(map(own.unit.format, own.slots))
        return Installed(packages=self.packages(own), units=units, users=(own.user,))

    def problems(self, site: Site) -> Iterator[Problem]:
        own, edge = site.of(self.settings), site.of(Edge)
        yield from release_problems(site, self.name, own)
        if self.by_edge and site.with_role(self.name) and edge.hard_stop_after < own.drain.deadline:
            fact = f"is {edge.hard_stop_after}, less than {self.name}.drain.deadline ({own.drain.deadline})"
            remedy = f"raise it: a reload would cut the {self.by_edge} of a slot that still drains"
            yield Problem("edge.hard_stop_after", fact, remedy)

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        if host not in site.with_role(self.name):
            return {}
        return {"edge": {"others": scraped(self.name, site.of(self.settings))}}


def told(site: Site, host: str) -> dict[str, Any]:
    """The derived settings that all daemons in slots have, by name."""
    return {
        "api_keys": dict([site.opened.used_by_daemons]),
        "trusted": site.trusted,
        "ws_url": f"ws://127.0.0.1:{site.of(Edge).http.first}",
        "config_root": site.paths.config,
        "release_root": site.paths.releases,
        "state_root": site.paths.state,
        "active": active(site),
        "lock_file": str(site.lock or ""),
        "arch": site.hosts[host].arch,
        "refresh": _refresh(site),
    }


def active(site: Site) -> Active:
    """Where it is written which slot of a host gets new sessions."""
    return Active(f"{site.paths.config}/active.map", SOCKET)


def _refresh(site: Site) -> Refresh:
    if site.refresh:
        return Refresh.ASKED
    return Refresh.EMPTY if site.of(Base).refresh_slots else Refresh.NO


def release_problems(site: Site, role: str, settings: SlottedSettings) -> Iterator[Problem]:
    """Why the release that is asked for cannot be had for the hosts with ``role``."""
    if not (names := site.with_role(role)):
        return
    try:
        for name in names:
            site.of(type(settings), name).release_spec().check(site.hosts[name].arch)
    except SiteError as error:
        yield from error.problems
