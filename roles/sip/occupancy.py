"""How many phone calls each slot of livekit-sip carries."""

from __future__ import annotations

from livekit_metal.roles.sip.generation import root
from livekit_metal.roles.sip.settings import UNIT, Settings
from livekit_metal.runtime.slots.occupancy import OccupancyQuery

# The series appears with the first call: absent is none. Calls that still ring are not in it.
_ASK = r"""metrics=$(port metrics)
  [ -z "$metrics" ] || ! all=$(curl -sf -m 2 "http://127.0.0.1:$metrics/metrics") ||
    printf '%s\n' "$all" | awk -v slot="$slot" '/^livekit_sip_calls_active[{ ]/ { n += $NF }
      END { print slot, "sessions", n + 0 }'"""


def question(settings: Settings, *, draining: bool = False) -> OccupancyQuery:
    """What is asked of a host; ``draining``: only of slots that drain, so that every deploy may ask."""
    where = (settings.slots, root(settings), settings.active.file)
    return OccupancyQuery("sip", UNIT, *where, _ASK, noun="phone calls", draining=draining)
