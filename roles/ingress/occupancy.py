"""How many streams are on which slot of ingress."""

from __future__ import annotations

from livekit_metal.core import shell
from livekit_metal.roles.ingress import generation
from livekit_metal.roles.ingress.settings import COMPONENT, UNIT, Settings
from livekit_metal.runtime.slots.occupancy import OccupancyQuery

_ASK = shell.program(__file__, "occupancy")


def question(settings: Settings, *, draining: bool = False) -> OccupancyQuery:
    """What is asked of a host; ``draining``: only of slots that drain, so that every deploy may ask."""
    root = generation.root(settings)
    where = (settings.slots, root, settings.active.file)
    return OccupancyQuery(COMPONENT, UNIT, *where, _ASK, noun="streams", draining=draining)
