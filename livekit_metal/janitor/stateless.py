"""Ingresses that have lost their state.

livekit-server writes an ingress to Redis in two steps (StoreIngress, pkg/service/redisstore.go). Where Redis lost the
second, in a power cut or a failover, 1.13.5 crashes with all its rooms as soon as a stream comes to the ingress, and no
call of its API mends or deletes it: each reads a state that is not there.
"""

from __future__ import annotations

import asyncio

from livekit.api import LiveKitAPI
from livekit.protocol.ingress import ListIngressRequest

from livekit_metal.core.errors import Problem

WRITTEN = 1.0  # s; an ingress that is being made has no state yet, for milliseconds


async def found(api: LiveKitAPI, patience: float = WRITTEN) -> tuple[str, ...]:
    """Ids of those that have no state twice, ``patience`` seconds apart. Raises what the API client raises."""

    async def without() -> set[str]:
        every = (await api.ingress.list_ingress(ListIngressRequest())).items
        return {each.ingress_id for each in every if not each.HasField("state")}

    if seen := await without():
        await asyncio.sleep(patience)
        seen &= await without()
    return tuple(sorted(seen))


def problem(name: str) -> Problem:
    """What to do about the one with the id ``name``."""
    fact = "has lost its state: livekit-server crashes, with all its rooms, when a stream comes to it"
    return Problem(f"ingresses.{name}", fact, "give it an empty one: docs/operations/troubleshooting.md")
