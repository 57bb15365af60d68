"""How many streams are on which slot of ingress."""

from __future__ import annotations

from livekit_metal.roles.ingress import generation
from livekit_metal.roles.ingress.settings import COMPONENT, UNIT, Settings
from livekit_metal.runtime.slots.occupancy import OccupancyQuery

# The gauge has a line for each kind of stream, and none before the first stream.
_ASK = r"""metrics=$(port metrics)
  [ -z "$metrics" ] || ! all=$(curl -sf -m 2 "http://127.0.0.1:$metrics/metrics") ||
    printf '%s\n' "$all" | awk -v slot="$slot" '
      /^livekit_ingress_requests[{]/ { streams += $NF } END { print slot, "sessions", streams + 0 }'"""


def question(settings: Settings, *, draining: bool = False) -> OccupancyQuery:
    """What is asked of a host; ``draining``: only of slots that drain, so that every deploy may ask."""
    root = generation.root(settings)
    where = (settings.slots, root, settings.active.file)
    return OccupancyQuery(COMPONENT, UNIT, *where, _ASK, noun="streams", draining=draining)
