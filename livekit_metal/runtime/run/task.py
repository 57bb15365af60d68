"""How a role says what it wants: a Task looks at the host, then makes a Plan of Actions. Planning changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pyinfra.api.host import Host

from livekit_metal.runtime.host.state import HostState, StateQuery


@dataclass(frozen=True, slots=True)
class Action:
    """One change on a host: a phrase for the log, and a function that raises HostError when it does not work.

    A text that it returns becomes a note in the last table.
    ``preview`` shows more of the change than its name, for --diff; it changes nothing.
    """

    name: str
    run: Callable[[Host], object]
    preview: Callable[[Host], object] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about what was seen. No actions: the host is up to date.

    ``summary`` is for the last table ("1.13.4 -> 1.13.5 on slot b"); ``notes`` are findings that stop nothing;
    ``undo`` runs when a step failed.
    """

    actions: tuple[Action, ...] = ()
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
    """Tasks that can be named only once the host was seen; ``tasks`` raises HostError."""

    needs: StateQuery
    tasks: Callable[[HostState], tuple[Task, ...]]


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


def join(plans: Iterable[Plan]) -> Plan:
    """Several plans as one, in order."""
    plans = tuple(plans)
    return Plan(
        actions=tuple(s for t in plans for s in t.actions),
        summary=", ".join(t.summary for t in plans if t.summary),
        notes=tuple(n for t in plans for n in t.notes),
    )
