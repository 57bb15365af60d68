"""The daemons in slots of a host, in the order in which they are activated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles import egress, ingress, livekit, sip
from roles._kit.component import Component

if TYPE_CHECKING:
    from stack.compose import Stack
    from stack.site import Site


def components(stack: Stack) -> dict[str, Component]:
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
