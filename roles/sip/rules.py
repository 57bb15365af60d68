"""Dispatch rules as an inventory declares them: where calls go, and which agents answer them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import REQUIRED, Checked, option
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.text import Text
from livekit_metal.roles.sip import numbers
from livekit_metal.roles.sip.shared import Media


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent(Checked):
    """An agent that is dispatched to the room of a call when the call makes the room."""

    name: Text = option(REQUIRED, "agent_name that its workers register with")
    metadata: Text = option("", "what it is told of its job (text, often JSON)")
    deployment: Text = option("", "which deployment of it; empty: any")

    def problems(self, path: str) -> Iterator[Problem]:
        if not self.name:
            yield Problem(f"{path}.name", "is empty", "write the agent_name that its workers register with")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomConfig(Checked):
    """How a room is that a call makes (livekit.RoomConfiguration)."""

    empty_timeout: Duration | None = option(None, "seconds it stays while nobody has joined")
    departure_timeout: Duration | None = option(None, "seconds it stays after the last one has left")
    max_participants: int | None = option(None, "how many may be in it; agents and recordings do not count")
    metadata: Text | None = option(None, "metadata of the room")
    min_playout_delay: int | None = option(None, "ms that receivers wait at least")
    max_playout_delay: int | None = option(None, "ms that receivers wait at most")
    sync_streams: bool | None = option(None, "keep sound and picture together, where there is a playout delay")

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("max_participants", "min_playout_delay", "max_playout_delay"):
            if (value := getattr(self, name)) is not None and not 0 <= value < 2**32:
                yield Problem(f"{path}.{name}", f"is {value}", "choose 0 (no limit) or more")

    def fields(self) -> dict[str, Any]:
        """What is said here, in JSON's types."""
        said = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: int(value) if isinstance(value, Duration) else value
            for name, value in said.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Media):
    """Where calls go (a dispatch rule of LiveKit)."""

    trunks: tuple[str, ...] = option(REQUIRED, "names of the trunks whose calls it takes")
    numbers: tuple[str, ...] = option((), "called numbers and ranges that it takes; empty: all of its trunks")
    callers: tuple[str, ...] = option((), "numbers whose calls it takes, as the carrier sends them (From); empty: all")
    room: str = option("", "every call goes into this room")
    room_prefix: str = option("", "each call gets a room of its own: this and a random text")
    pin: bool = option(False, "callers must type the PIN in the secret sip-rule-NAME (digits)")
    hide_phone_number: bool = option(False, "others in the room do not see the caller's number")
    metadata: Mapping[str, Any] = option({}, "metadata of the caller's participant, beside our own mark")
    attributes: Mapping[str, Text] = option({}, "attributes of the caller's participant")
    agents: tuple[Agent, ...] | None = option(
        None, "agents that come into the room when a call makes it; []: none. Left out: as they are on LiveKit's object"
    )
    room_config: RoomConfig | None = option(None, "how the room is that a call makes")
    krisp: bool | None = option(None, "noise cancellation for the caller (LiveKit Cloud)")

    def more_problems(self, path: str) -> Iterator[Problem]:
        if not self.trunks:
            remedy = "name the trunks whose calls it takes"
            yield Problem(f"{path}.trunks", "is empty, so it would take calls of every trunk", remedy)
        if bool(self.room) == bool(self.room_prefix):
            yield Problem(path, "needs exactly one of room and room_prefix", "set one of them")
        for i, number in enumerate(self.numbers):
            if number.endswith("*"):
                remedy = "write numbers and ranges; leave it out to take all that its trunks take"
                yield Problem(f"{path}.numbers[{i}]", f"{number!r}: LiveKit's rules know no prefixes", remedy)
        yield from numbers.problems([n for n in self.numbers if not n.endswith("*")], f"{path}.numbers")
        yield from numbers.problems(self.callers, f"{path}.callers", exact=True)

    @property
    def called(self) -> tuple[str, ...]:
        """Every number that it takes, a range as its numbers; none: all of its trunks."""
        return tuple(each for text in self.numbers for each in numbers.parse(text).numbers())
