"""The daemons in slots of a host, in the order in which they are activated."""

from __future__ import annotations

from typing import Any

from livekit_metal.runtime.run.turns import module
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.site.loading import every_role
from livekit_metal.site.model import HostStack, Site


def components(stack: HostStack) -> dict[str, SlottedDaemon[Any]]:
    """By role; livekit-server first."""
    found: dict[str, SlottedDaemon[Any]] = {}
    for role in every_role():
        tasks: Any = module(role.name, "tasks") if role.slots else None
        if tasks and (own := getattr(stack, role.name)):
            found[role.name] = tasks.DAEMON(own)
    return found


def keeper(site: Site) -> str:
    """The host that keeps the site's lock: Redis', as without it nothing serves anyway."""
    return (site.with_role("redis") or tuple(site.hosts))[0]
