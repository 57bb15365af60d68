"""Who is on which slot of livekit-server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from livekit_metal.core import shell
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.slots import occupancy
from livekit_metal.runtime.slots.occupancy import FIELDS, OccupancyQuery, State, number

__all__ = ["ASK", "NOUN", "Occupancy", "State", "parse", "question"]

NOUN = "participants"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy(occupancy.Occupancy):
    """A slot and who is on it."""

    rooms: int | None = None  # None: it does not answer, or was not asked
    participants: int | None = None  # and clients of rooms elsewhere whose signalling comes through here
    unjoined: tuple[str, ...] | None = None  # rooms with nobody in them; None also for a generation without debug port
    websockets: int | None = None  # established connections from the edge, of rooms here and elsewhere

    @property
    def passes_on(self) -> bool:
        """Whether all that a drain still waits for is the signalling of rooms that are elsewhere."""
        return self.state is State.DRAINING and self.rooms == 0 and bool(self.websockets)


ASK = shell.program(__file__, "occupancy")


def question(settings: Settings) -> OccupancyQuery:
    """What is asked of a host."""
    return OccupancyQuery.of(settings, ASK, NOUN)


def parse(lines: Iterable[str], settings: Settings) -> dict[str, Occupancy]:
    """The answer, by slot. Raises HostError when it is not whole."""
    return {
        one.slot: Occupancy(
            **{name: getattr(one, name) for name in FIELDS},
            rooms=number("".join(said.get("rooms", [])[:1])),
            participants=number("".join(said.get("participants", [])[:1])),
            unjoined=tuple(map(_room, said.get("unjoined", []))) if "debug" in said else None,
            websockets=number("".join(said.get("websockets", [])[:1])),
        )
        for one, said in question(settings).read(lines)
    }


def describe(one: Occupancy) -> str:
    """A slot that drains, in a sentence."""
    who = "who is on it is not known"
    if one.participants is not None and one.rooms is not None:
        who = f"{one.participants} participants in {one.rooms} rooms"
    if one.passes_on:
        who = f"no room is on it; signalling of rooms elsewhere over {one.websockets} connections"
    return f"slot {one.slot} drains: {who}{one.until()}"


def _room(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted
