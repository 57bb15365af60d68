"""Slots: the instances of one daemon on one host, of which one is active and others drain or are empty.

A slot is named by a letter and owns its part of every port. Three, because the change that matters is a rollback (or
an urgent second change) while the last change still drains. Decisions come from what is observed, never from memory of
the last run: a deploy killed at any point is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stack.ports import PortRange


def part(whole: PortRange, slots: tuple[str, ...], slot: str) -> PortRange:
    """The ports of ``whole`` that belong to ``slot``. Raises ValueError when there are fewer ports than slots."""
    return whole.split(len(slots))[slots.index(slot)]


class State(StrEnum):
    """What a slot's unit does."""

    EMPTY = "empty"  # no process, or one that systemd gave up
    RUNNING = "running"
    DRAINING = "draining"  # told to stop, still holds calls


def state(active_state: str) -> State:
    """From systemd's ActiveState. A unit that waits for its restart counts as running: it must be stopped first."""
    if active_state == "deactivating":
        return State.DRAINING
    return State.RUNNING if active_state in ("active", "activating", "reloading") else State.EMPTY


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as observed; ``generation`` is that of its process ('' without one)."""

    state: State
    generation: str = ""


class Move(StrEnum):
    KEEP = "keep"  # the active slot runs the desired generation
    RESUME = "resume"  # another slot runs it: a deploy died between its start and the flip
    START = "start"  # an empty slot is to run it
    REFUSE = "refuse"  # no slot is empty


@dataclass(frozen=True, slots=True)
class Decision:
    """``slot`` becomes (or stays) active; then every slot of ``drain`` is told to drain."""

    move: Move
    slot: str = ""
    drain: tuple[str, ...] = ()


def decide(active: str, slots: Mapping[str, Slot], desired: str) -> Decision:
    """What to do about the slots of one daemon on one host.

    ``active`` is the slot that new sessions reach ('' before the first activation, or a name that the site no longer
    has); ``desired`` the generation that should serve.
    """

    def others(slot: str) -> tuple[str, ...]:
        return tuple(n for n, s in slots.items() if n != slot and s.state is State.RUNNING)

    serving = [n for n, s in slots.items() if s == Slot(State.RUNNING, desired)]
    if active in serving:
        return Decision(Move.KEEP, active, others(active))
    if serving:
        return Decision(Move.RESUME, serving[0], others(serving[0]))
    if free := _empty(active, slots):
        return Decision(Move.START, free, others(free))
    return Decision(Move.REFUSE)


def _empty(active: str, slots: Mapping[str, Slot]) -> str:
    """The empty slot to start in: the active one when it died, else the next after it."""
    names = list(slots)
    first = names.index(active) if active in names else 0
    rotation = names[first:] + names[:first]
    return next((n for n in rotation if slots[n].state is State.EMPTY), "")


def occupants(slots: Iterable[tuple[str, Slot]]) -> str:
    """Who is on which slot, for a message."""
    return ", ".join(f"{n}: {s.state} {s.generation or '(unknown)'}" for n, s in slots)
