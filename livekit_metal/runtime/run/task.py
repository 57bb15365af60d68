"""How a role says what it wants: a Part looks, then plans steps. Planning changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pyinfra.api.host import Host

from livekit_metal.runtime.host.state import HostState, StateQuery


@dataclass(frozen=True, slots=True)
class Action:
    """One change on a host: a phrase for the log, and a function that raises Failed when it does not work.

    A text that it returns becomes a note in the last table.
    ``preview`` shows more of the change than its name, for --diff; it changes nothing.
    """

    name: str
    run: Callable[[Host], object]
    preview: Callable[[Host], object] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about what was seen. No steps: the host is up to date.

    ``summary`` is for the last table ("1.13.4 -> 1.13.5 on slot b"); ``notes`` are findings that stop nothing;
    ``undo`` runs when a step failed.
    """

    steps: tuple[Action, ...] = ()
    summary: str = ""
    notes: tuple[str, ...] = ()
    undo: Callable[[Host], object] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A role's share of a run on one host: what it must know, and what follows from it."""

    role: str
    needs: StateQuery
    plan: Callable[[HostState], Plan]
    closing: Callable[[HostState], tuple[str, ...]] = lambda _: ()  # notes about how things are when the turn is over


@dataclass(frozen=True, slots=True)
class DeferredTask:
    """Parts that can be named only once the host was seen; ``parts`` raises Failed."""

    needs: StateQuery
    parts: Callable[[HostState], tuple[Task, ...]]


@dataclass(slots=True)
class Result:
    """How a host fared: untouched until its first step, interrupted while steps run, then prepared, done or failed."""

    word: str = "untouched"
    why: str = ""
    changed: bool = False
    resting: str = ""  # why the host takes no part in turns (maintenance)
    seconds: float = 0.0  # spent on this host's turns
    summaries: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def join(todos: Iterable[Plan]) -> Plan:
    """Several todos as one, in order."""
    todos = tuple(todos)
    return Plan(
        steps=tuple(s for t in todos for s in t.steps),
        summary=", ".join(t.summary for t in todos if t.summary),
        notes=tuple(n for t in todos for n in t.notes),
    )
