"""The daemons in slots of a host, in the order in which they are activated, and what of them serves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from livekit_metal.core.slots.decision import State
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.turns import module
from livekit_metal.runtime.run.waves import Serving
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
    """The site with other settings of what is in slots as ``component``, on every host. Raises LookupError."""
    for role in site.roles:
        own: Any = site.of(role.settings)
        if role.slots and role.name == component:
            particular = {
                host: {
                    name: dataclasses.replace(each, **then) if name == component else each for name, each in of.items()
                }
                for host, of in site.particular.items()
            }
            return dataclasses.replace(site.having(dataclasses.replace(own, **then)), particular=particular)
        if role.several and component in (each.component for each in own.daemons):
            return site.having(own.having(component, then))
    raise LookupError(component)


def keeper(site: Site) -> str:
    """The host that keeps the site's lock: Redis', as without it nothing serves anyway."""
    return (site.with_role("redis") or tuple(site.hosts))[0]


def needs(stack: HostStack) -> StateQuery:
    """What must be seen for :func:`serving`."""
    found = StateQuery()
    for each in components(stack).values():
        found |= each.service().needs
    return found


def serving(stack: HostStack, seen: HostState) -> Serving:
    """What the host carries now."""
    roles, occupied = set(), False
    for role, each in components(stack).items():
        active, slots = each.service().observed(seen)
        occupied |= any(slot.state is not State.EMPTY for slot in slots.values())
        if active in slots and slots[active].state is State.RUNNING:
            roles.add(role)
    return Serving(frozenset(roles), occupied)


def alone(site: Site) -> frozenset[str]:
    """The hosts that change while no other does: those of Redis, and the first that has an edge."""
    edge = next(role for role in site.roles if role.settings is Edge)
    first = next((name for name in site.hosts if edge.on(site.here(name), name)), None)
    return frozenset(filter(None, (*site.with_role("redis"), first)))
