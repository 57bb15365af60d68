"""How many phone calls each slot of livekit-sip carries."""

from __future__ import annotations

from livekit_metal.core import shell
from livekit_metal.roles.sip.generation import root
from livekit_metal.roles.sip.settings import UNIT, Settings
from livekit_metal.runtime.slots.occupancy import OccupancyQuery

_ASK = shell.program(__file__, "occupancy")


def question(settings: Settings, *, draining: bool = False) -> OccupancyQuery:
    """What is asked of a host; ``draining``: only of slots that drain, so that every deploy may ask."""
    where = (settings.slots, root(settings), settings.active.file)
    return OccupancyQuery("sip", UNIT, *where, _ASK, noun="phone calls", draining=draining)
