"""Which hosts take a turn at the same time, and the gate that lets one wave in after the other.

A turn in waves is one operation of pyinfra on all hosts in parallel, in which each waits until its wave is due. The
waves are parts of the inventory's order, in which pyinfra starts the hosts: whom a host waits for has been started,
however few it takes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from pyinfra import context
from pyinfra.api import FunctionCommand, operation

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState, StateQuery, observer
from livekit_metal.runtime.run.parallel import refuse
from livekit_metal.runtime.run.report import results
from livekit_metal.site.rollout import Rollout

Waves = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Serving:
    """What a host carries now: the roles whose slot takes new sessions, and whether any process of a slot runs."""

    roles: frozenset[str] = frozenset()
    occupied: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """How hosts take their turns. ``alone`` names those that nobody goes with."""

    rollout: Rollout
    alone: frozenset[str] = frozenset()


def waves(order: Sequence[str], rules: Rules, serving: Mapping[str, Serving]) -> Waves:
    """The hosts of ``order``, part by part. Where no slot runs on any host all but the canaries go at once."""
    first_deploy = not rules.rollout.serial and not any(each.occupied for each in serving.values())
    alone = frozenset() if first_deploy else rules.alone
    size = len(order) if first_deploy else rules.rollout.wave.of(len(order))
    holders: dict[str, set[str]] = {}
    for host, one in serving.items():
        for role in one.roles:
            holders.setdefault(role, set()).add(host)
    made: list[list[str]] = []
    open_: list[str] = []  # the wave that may still grow
    for number, host in enumerate(order):
        by_itself = number < rules.rollout.canary or host in alone
        both = {*open_, host}
        last = any(those <= both for those in holders.values())
        if by_itself or not open_ or len(open_) >= size or last:
            open_ = [host]
            made.append(open_)
        else:
            open_.append(host)
        if by_itself:
            open_ = []
    return tuple(tuple(each) for each in made)


@dataclass(slots=True)
class Gate:
    """Lets the hosts of a turn in, wave by wave; after a failure (``stopped``) nobody else is let in."""

    waves: Waves
    pause: int  # s between two waves
    stopped: Callable[[], bool]
    say: Callable[[str], object] = lambda _: None
    _left: list[set[str]] = field(init=False)
    _due: list[Event] = field(init=False)
    _go: list[bool] = field(init=False)
    _changed: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self._left = [set(each) for each in self.waves]
        self._due = [Event() for _ in self.waves]
        self._go, self._changed = [False] * len(self.waves), [False] * len(self.waves)
        self._open(0)

    def enter(self, host: str) -> bool:
        """Wait for the wave of ``host``; whether it may go."""
        number = self._number(host)
        self._due[number].wait()
        return self._go[number]

    def leave(self, host: str, *, changed: bool = False) -> None:
        """``host`` has had its turn, or takes none. The last of a wave lets the next one in."""
        number = self._number(host)
        if host not in self._left[number]:
            return
        self._left[number].discard(host)
        self._changed[number] |= changed
        while number < len(self.waves) and self._due[number].is_set() and not self._left[number]:
            if self._changed[number] and self.pause and number + 1 < len(self.waves) and not self.stopped():
                self.say(f"pause of {self.pause} s before {', '.join(self.waves[number + 1])}")
                gevent.sleep(self.pause)
            number += 1
            self._open(number)

    def _open(self, number: int) -> None:
        if number < len(self.waves):
            self._go[number] = not self.stopped()
            self._due[number].set()

    def _number(self, host: str) -> int:
        return next(number for number, each in enumerate(self.waves) if host in each)


def gate(turn: str, rules: Rules) -> Gate:
    """That of ``turn``; made when the first host comes to it."""
    found = results()
    if (made := found.gates.get(turn)) is None:
        host = context.ctx_host.get()
        order = [name for name in found.order if turn in found.turns[name]]
        parts = waves(order, rules, found.serving)
        if len(parts) < len(order):
            host.log(f"{turn}, at once: {'; '.join(', '.join(part) for part in parts)}")
        made = found.gates[turn] = Gate(parts, rules.rollout.pause, lambda: bool(found.stopped), host.log)
    return made


@operation()
def _observe(serves: Callable[[HostState], Serving]) -> Generator[Any, None, None]:
    host = context.ctx_host.get()
    if context.ctx_state.get().is_executing:
        try:
            results().serving[host.name] = serves(observer().current())
        except HostError as error:
            yield FunctionCommand(refuse, ("waves", str(error)), {})
            return
    host.noop("what serves here is known")


def observe(needs: StateQuery, serves: Callable[[HostState], Serving]) -> None:
    """Register the question what the host in context carries, before the first turn in waves."""
    observer().need(needs)
    _observe(name="Waves", serves=serves)
