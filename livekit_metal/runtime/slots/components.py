"""The daemons in slots of a host, in the order in which they are activated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from livekit_metal.runtime.run.turns import module
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.site.loading import every_role
from livekit_metal.site.model import HostStack, Site


def components(stack: HostStack) -> dict[str, SlottedDaemon[Any]]:
    """By component, which is the role where it has one daemon; livekit-server first."""
    found: dict[str, SlottedDaemon[Any]] = {}
    for role in every_role():
        tasks: Any = module(role.name, "tasks") if role.slots or role.several else None
        if tasks and (own := getattr(stack, role.name)):
            for each in own.daemons if role.several else (own,):
                found[each.component] = tasks.DAEMON(each)
    return found


def changed(site: Site, component: str, then: Mapping[str, Any]) -> Site:
    """The site with other settings of what is in slots as ``component``. Raises LookupError."""
    for role in site.roles:
        own: Any = site.of(role.settings)
        if role.slots and role.name == component:
            return site.having(dataclasses.replace(own, **then))
        if role.several and component in (each.component for each in own.daemons):
            return site.having(own.having(component, then))
    raise LookupError(component)


def keeper(site: Site) -> str:
    """The host that keeps the site's lock: Redis', as without it nothing serves anyway."""
    return (site.with_role("redis") or tuple(site.hosts))[0]
