"""Where UDP 443 of a host leads, and who is on it."""

from __future__ import annotations

from livekit_metal.roles.livekit.redirect import Redirect
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host.state import HostState, StateQuery


def needs(settings: Settings) -> StateQuery:
    """What to look at on a host."""
    redirect = Redirect.of(settings)
    return redirect.needs | redirect.asked if settings.turn.udp_443 else StateQuery()


def line(settings: Settings, seen: HostState) -> str:
    """``label: text``; '' where nobody is told of it."""
    if not settings.turn.udp_443:
        return ""
    redirect = Redirect.of(settings)
    leads = "leads to the active slot" if redirect.follows(seen) else "does not lead to the active slot: deploy"
    return f"UDP 443: {leads}; {redirect.flows(seen)}"
