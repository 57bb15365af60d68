"""Slots: the instances of one daemon on one host, of which one is active and others drain or are empty.

A slot is named by a letter and owns its part of every port. Three, because the change that matters is a rollback (or
an urgent second change) while the last change still drains. Decisions come from what is observed, never from memory of
the last run: a deploy killed at any point is finished by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from livekit_metal.core.errors import Problem
from livekit_metal.core.ports import PortRange

DRAIN_DROP_IN = "90-livekit-metal-drain.conf"  # in /run, while a slot drains; it holds the deadline
GUARD = "livekit-drain-guard.service"  # bounds a reboot while slots drain
HIDEPID = "livekit-hidepid.service"  # shows accounts only their own processes
SEES = "livekit-proc"  # user and group; who is in the group sees all processes nevertheless
# Who has to see processes of others without being root (polkit), or with less than root's privileges (logind): without
# it logind gives no sessions, and polkit decides nothing (proc(5), hidepid= and gid=).
SEEING = ("systemd-logind.service", "polkit.service")
SIGHT = "50-livekit-hidepid.conf"  # their drop-in
FINISH_SCRIPT = "finish.sh"  # beside it: what to do at the deadline, and when the host goes down
CLIENT_SOURCE_ADDRESS = (
    "127.0.0.2"  # where HAProxy comes from with clients' signalling, which a drain of livekit-server waits for
)
ISOLATED_SUFFIX = "~alone"  # ends the stamp of a process that is being proved and that no session can reach


def part(whole: PortRange, slots: tuple[str, ...], slot: str) -> PortRange:
    """The ports of ``whole`` that belong to ``slot``. Raises ValueError when there are fewer ports than slots."""
    return whole.split(len(slots))[slots.index(slot)]


def problems(
    path: str, slots: tuple[str, ...], ranges: Mapping[str, PortRange], least: Mapping[str, int]
) -> Iterator[Problem]:
    """What is wrong with the names of a daemon's slots and the ports (by setting) that they share.

    ``least`` is how many ports a slot needs.
    """
    if len(set(slots)) != len(slots) or not 2 <= len(slots) <= 5:
        yield Problem(f"{path}.slots", f"are {list(slots)}", "name two to five different slots")
        return
    for slot in slots:
        if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", slot):
            yield Problem(f"{path}.slots", f"{slot!r} is not a slot name", "use a lower-case letter")
    for name, ports in ranges.items():
        if len(ports) < len(slots) * least[name]:
            yield Problem(f"{path}.{name}", f"has {len(ports)} ports for {len(slots)} slots", "widen it")


class State(StrEnum):
    """What a slot's unit does."""

    EMPTY = "empty"  # no process, or one that systemd gave up
    ISOLATED = "proving"  # a process that no session can reach: it may be ended at any time
    RUNNING = "running"
    DRAINING = "draining"  # told to stop, still holds calls


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as observed; ``generation`` is that of its process ('' without one)."""

    state: State
    generation: str = ""

    @classmethod
    def observed(cls, active_state: str, stamp: str) -> Slot:
        """From systemd's ActiveState and the stamp in the process' environment.

        A unit that waits for its restart counts as running: it must be stopped first.
        """
        if active_state not in ("active", "activating", "reloading", "deactivating"):
            return cls(State.EMPTY)
        if stamp.endswith(ISOLATED_SUFFIX):
            return cls(State.ISOLATED, stamp.removesuffix(ISOLATED_SUFFIX))
        return cls(State.DRAINING if active_state == "deactivating" else State.RUNNING, stamp)


class Refresh(StrEnum):
    """Whether a slot gets a new process of the same generation when an update has replaced code that it runs."""

    NO = "no"  # the deploy says that it should
    EMPTY = "empty"  # when a slot is empty for it
    ASKED = "asked"  # now: refused when no slot is empty


class Move(StrEnum):
    KEEP = "keep"  # the active slot runs the desired generation
    RESUME = "resume"  # another slot runs it: a deploy died between its start and the flip
    START = "start"  # an empty slot is to run it
    REFUSE = "refuse"  # no slot is empty


@dataclass(frozen=True, slots=True)
class Decision:
    """``slot`` becomes (or stays) active; every slot of ``drain`` is told to drain, every one of ``discard`` ended."""

    move: Move
    slot: str = ""
    drain: tuple[str, ...] = ()
    discard: tuple[str, ...] = ()


def decide(
    active: str,
    slots: Mapping[str, Slot],
    desired: str,
    own: Sequence[str],
    stale: Collection[str] = (),
    *,
    refresh: bool = False,
) -> Decision:
    """What to do about the slots of one daemon on one host.

    ``active`` is the slot that new sessions reach ('' before the first activation, or a name that the site no longer
    has); ``desired`` the generation that should serve, on one of ``own``, the slots that the site has. ``slots`` may
    hold others as well: those of an earlier site with a process. ``stale`` are the slots whose process runs code that
    an update has replaced: with ``refresh`` none of them is good enough to serve. Without it one is, but a process of
    the same generation that runs the new code goes before it: a deploy died before it could hand over to that.
    """
    fresh = {name: slot for name, slot in slots.items() if name not in stale}
    good = (fresh,) if refresh else (fresh, slots)
    serving = next(filter(None, (_serves(active, each, desired, own) for each in good)), None)
    if not (found := serving or _empty(active, slots, own)):
        return Decision(Move.REFUSE)
    move, chosen = found
    return Decision(move, chosen, _others(State.RUNNING, chosen, slots), _others(State.ISOLATED, chosen, slots))


def retire(slots: Mapping[str, Slot]) -> Decision:
    """What to do so that no slot of a host serves."""
    return Decision(Move.KEEP, "", _others(State.RUNNING, "", slots), _others(State.ISOLATED, "", slots))


def _others(state: State, chosen: str, slots: Mapping[str, Slot]) -> tuple[str, ...]:
    return tuple(name for name, slot in slots.items() if name != chosen and slot.state is state)


def _serves(active: str, slots: Mapping[str, Slot], desired: str, own: Sequence[str]) -> tuple[Move, str] | None:
    serving = [name for name in own if slots.get(name) == Slot(State.RUNNING, desired)]
    if active in serving:
        return Move.KEEP, active
    return (Move.RESUME, serving[0]) if serving else None


def _empty(active: str, slots: Mapping[str, Slot], own: Sequence[str]) -> tuple[Move, str] | None:
    """The slot to start in: one where a proof was cut short, the active one when it died, or the next after it."""
    first = own.index(active) if active in own else 0
    rotation = (*own[first:], *own[:first])
    for state in (State.ISOLATED, State.EMPTY):
        for name in rotation:
            if slots[name].state is state:
                return Move.START, name
    return None


def occupants(slots: Iterable[tuple[str, Slot]]) -> str:
    """Who is on which slot, for a message."""
    return ", ".join(f"{n}: {s.state} {s.generation or '(unknown)'}" for n, s in slots)
