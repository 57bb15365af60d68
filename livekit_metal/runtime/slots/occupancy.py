"""Who is on which slot of a host: asked of systemd, of the kernel and of the slots themselves, in one probe of a look.

What a slot runs, and on which ports, is read from its process and from its generation, never from today's site: a slot
that drains is of an earlier deploy. What cannot be known is None.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from livekit_metal.core import shell
from livekit_metal.core.slots import decision as slot_decision
from livekit_metal.core.slots.decision import DRAIN_DROP_IN, Slot
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import StateQuery
from livekit_metal.site.slotted_settings import SlottedSettings


class State(StrEnum):
    """What a slot is used for."""

    ACTIVE = "active"  # runs, and new sessions go there
    RUNNING = "running"  # runs, and new sessions go elsewhere
    PROVING = "proving"  # a candidate that no session can reach
    DRAINING = "draining"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """A slot and what is known of any daemon's. Times are Unix seconds by the host's clock."""

    slot: str
    state: State
    generation: str = ""
    release: str = ""  # "1.13.5-3e66f6dc9626"
    since: int | None = None  # when its drain began
    deadline: int | None = None  # when systemd kills it

    def until(self) -> str:
        """ ", until 2026-11-21 17:14 UTC", for a sentence; '' without a deadline."""
        return (
            ""
            if self.deadline is None
            else f", until {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(self.deadline))}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions(Occupancy):
    """A slot of a daemon whose sessions are of one kind (recordings, streams, phone calls)."""

    sessions: int | None = None  # None: it does not answer, or was not asked

    def describe(self, unit_noun: str) -> str:
        """A slot that drains, in a sentence; ``unit_noun``: see OccupancyQuery."""
        who = "what is on it is not known" if self.sessions is None else f"{self.sessions} {unit_noun}"
        return f"slot {self.slot} drains: {who}{self.until()}"


_PROBE = shell.program(__file__, "occupancy")


@dataclass(frozen=True, slots=True)
class OccupancyQuery:
    """What is asked about one daemon in slots.

    ``ask`` is a program that asks the slot itself: it has $slot, $pid, $of (the directory of its generation) and a
    function ``port NAME`` that reads the file ``ports`` there, and prints lines ``$slot WORD VALUE``.
    """

    component: str
    unit: str  # with {} for the slot
    slots: tuple[str, ...]
    root: str  # of its generations
    active_file: str
    ask: str
    unit_noun: str = "sessions"  # what is on a slot, in the plural
    draining: bool = False  # only of slots that drain: costs next to nothing while none does

    @classmethod
    def of(cls, settings: SlottedSettings, ask: str, unit_noun: str) -> OccupancyQuery:
        """About every slot of the daemon that has these settings."""
        own = settings
        return cls(own.component, own.unit, own.slots, own.generations, own.active.file, ask, unit_noun)

    @property
    def name(self) -> str:
        return f"{self.component}.occupancy"

    @property
    def probe(self) -> tuple[str, str]:
        """For :class:`StateQuery`, or as a command of its own (name, shell text)."""
        units = self.unit.format("*")
        drop_ins = f"/run/systemd/system/{units}.d/{DRAIN_DROP_IN}"
        where = (self.component, self.active_file, units, self.root)
        return self.name, shell.given(_PROBE, *where, self.ask, drop_ins if self.draining else "")

    @property
    def needs(self) -> StateQuery:
        return StateQuery(queries=(self.probe,))

    def read(self, lines: Iterable[str]) -> Iterator[tuple[Occupancy, Mapping[str, list[str]]]]:
        """Each slot that the answer speaks of, and the words that ``ask`` printed about it.

        The slots of the site, and others while they are not empty; only those that drain, if only they were asked.
        Raises HostError when the answer is not whole.
        """
        lines = list(lines)
        if lines[-1:] != ["end"]:
            raise HostError(
                f"{self.component}: the host does not say what its slots do; does `systemctl status` work there?"
            )
        said: dict[str, dict[str, list[str]]] = {name: {} for name in self.slots}
        for slot, word, value in (line.split(" ", 2) for line in lines if line.count(" ") >= 2):
            said.setdefault(slot, {}).setdefault(word, []).append(value)
        for name, words in said.items():
            found = _occupancy(name, words, active(lines))
            drains = found.state is State.DRAINING
            if drains if "only draining" in lines else name in self.slots or found.state is not State.EMPTY:
                yield found, words

    def sessions(self, lines: Iterable[str]) -> dict[str, Sessions]:
        """The answer, by slot, for a daemon whose ``ask`` prints ``$slot sessions NUMBER``."""
        found = {}
        for one, words in self.read(lines):
            told = number("".join(words.get("sessions", [])[:1]))
            found[one.slot] = Sessions(**{name: getattr(one, name) for name in FIELDS}, sessions=told)
        return found

    def count(self, lines: Iterable[str]) -> int:
        """How much is on all slots together, as far as they say (for ``SlottedDaemon.count``)."""
        return sum(one.sessions or 0 for one in self.sessions(lines).values())

    def describe(self, lines: Iterable[str]) -> tuple[str, ...]:
        """For the last table of a run: a sentence for each slot that drains (for ``SlottedDaemon.describe``)."""
        return tuple(
            one.describe(self.unit_noun) for one in self.sessions(lines).values() if one.state is State.DRAINING
        )


FIELDS = ("slot", "state", "generation", "release", "since", "deadline")


def active(lines: Iterable[str]) -> str:
    """The slot that new sessions go to, whatever is the matter with it; '' before the first activation."""
    return next((rest for word, _, rest in (line.partition(" ") for line in lines) if word == "active"), "")


def _occupancy(name: str, words: Mapping[str, list[str]], serving: str) -> Occupancy:
    one = {word: values[0] for word, values in words.items()}
    observed = Slot.observed(one.get("state", ""), one.get("stamp", ""))
    state = (
        State.ACTIVE
        if (observed.state, name) == (slot_decision.State.RUNNING, serving)
        else State(observed.state.value)
    )
    since = _moment(one.get("left", "")) if state is State.DRAINING else None
    patience = seconds(one.get("timeout", ""))
    return Occupancy(
        slot=name,
        state=state,
        generation=observed.generation,
        release=one.get("release", "").rpartition("/")[2],
        since=since,
        deadline=None if since is None or patience is None else since + patience,
    )


def number(text: str) -> int | None:
    """A number as Prometheus writes it ("2", "1e+06")."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _moment(text: str) -> int | None:
    """Unix seconds of "Sat 2026-11-21 11:57:29 UTC"."""
    try:
        return calendar.timegm(time.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC"))
    except ValueError:
        return None


_SPANS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "month": 2629800,
    "y": 31557600,
}


def seconds(span: str) -> int | None:
    """A length of time as systemd shows it ("1min 30s", "5h"; systemd.time(7)); None for "infinity"."""
    parts = [re.fullmatch(r"(\d+)([a-z]+)", part) for part in span.split()]
    if not parts or any(p is None or p[2] not in _SPANS for p in parts):
        return None
    return int(sum(int(p[1]) * _SPANS[p[2]] for p in parts if p))
