"""What a run of the janitor found and did, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from livekit.protocol.models import Room

from livekit_metal.core.errors import Problem
from livekit_metal.core.printable import printable
from livekit_metal.janitor import stateless

Outcome = Literal["lost", "ended", "lives", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A room that had lost its node, and what became of it. Times are Unix times by the server's clock."""

    room: str
    sid: str
    created: int
    outcome: Outcome = "lost"
    people: int = 0  # in it now; Redis' earlier count says nothing
    until: int | None = None  # when it ends, if it lives and nobody joins
    detail: str = ""

    @classmethod
    def of(cls, room: Room) -> Lost:
        return cls(room=room.name, sid=room.sid, created=room.creation_time)

    def __str__(self) -> str:
        if self.outcome == "lives":
            ends = f"empty, ends at {_clock(self.until)} unless somebody joins" if self.until else "in use"
            return f"lives on another node: {ends}"
        return {"lost": "has no node", "ended": "ended", "failed": f"is left: {printable(self.detail)}"}[self.outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found and did."""

    rooms: int  # that Redis had in the beginning
    lost: tuple[Lost, ...]
    ingresses: tuple[str, ...] = ()  # ids of those without a state

    def problems(self) -> Iterator[Problem]:
        """Yield what is left to do; nothing when every room has a node or has ended, and no state is lost."""
        if untouched := sum(lost.outcome == "lost" for lost in self.lost):
            yield Problem("rooms", f"{untouched} have lost their node", "end them: run it without --dry")
        for lost in self.lost:
            if lost.outcome == "failed":
                yield Problem(f"rooms.{lost.room}", lost.detail, "run it again; then see the journal of the server")
        yield from map(stateless.problem, self.ingresses)

    @property
    def ok(self) -> bool:
        return not any(self.problems())

    def to_json(self) -> str:
        found = [str(problem) for problem in self.problems()]
        return json.dumps({"ok": not found, "problems": found} | asdict(self))

    def table(self) -> str:
        """For people: one line per room that had lost its node."""
        rows = [(printable(lost.room), f"created {_clock(lost.created)}, {lost}") for lost in self.lost]
        width = max((len(name) for name, _ in rows), default=0)
        told = f"{self.rooms} rooms, {len(self.lost) or 'none'} had lost their node"
        return "\n".join([told, *(f"  {name:<{width}}  {what}" for name, what in rows)])


def _clock(when: int) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S} UTC"
