"""The daemons in slots of a host, in the order in which they are activated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livekit_metal.roles.egress import tasks as egress
from livekit_metal.roles.ingress import tasks as ingress
from livekit_metal.roles.livekit import tasks as livekit
from livekit_metal.roles.sip import tasks as sip
from livekit_metal.runtime.slots.role import SlottedRole

if TYPE_CHECKING:
    from livekit_metal.site.model import Site
    from livekit_metal.site.wiring.host_stack import HostStack


def components(stack: HostStack) -> dict[str, SlottedRole]:
    """By role; livekit-server first."""
    found = {
        "livekit": livekit.component(stack.livekit) if stack.livekit else None,
        "egress": egress.component(stack.egress) if stack.egress else None,
        "ingress": ingress.component(stack.ingress) if stack.ingress else None,
        "sip": sip.component(stack.sip) if stack.sip else None,
    }
    return {role: component for role, component in found.items() if component}


def keeper(site: Site) -> str:
    """The host that keeps the site's lock: Redis', as without it nothing serves anyway."""
    return (site.with_role("redis") or tuple(site.hosts))[0]
