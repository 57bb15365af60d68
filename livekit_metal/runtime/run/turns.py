"""A deploy's way through the roles of a host: what each has in its ``turns.py``, in the order in which they start.

A role's ``turns.py`` may have, each a function of a :class:`Run`: ``prepare`` (registers operations that change no
traffic), and generators of Tasks, which are taken host by host: ``foundation`` and ``services``, ``certificates`` once
every host serves. Those named ``…_first`` and ``…_last`` come before and after those of all roles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from livekit_metal.core.switches import Switches
from livekit_metal.runtime.run.task import DeferredTask, Task
from livekit_metal.site.loading import every_role
from livekit_metal.site.model import HostStack, Site

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Run:
    """A deploy on one host."""

    site: Site
    stack: HostStack
    given: Switches
    _kept: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def kept(self, key: object, make: Callable[[], S]) -> S:
        """What ``make`` gives, made once: a role's preparation and its turn start from the same."""
        if key not in self._kept:
            self._kept[key] = make()
        found: S = self._kept[key]
        return found

    def the(self, settings: type[S]) -> S:
        """The settings of a role that is on the host."""
        return self.stack.the(settings)

    def modules(self) -> Iterator[ModuleType]:
        """``turns`` of the roles of this host."""
        for role in self.site.starting:
            if getattr(self.stack, role.name) is not None and (found := module(role.name, "turns")):
                yield found

    def prepare(self) -> None:
        """Register what prepares the host."""
        # pyinfra tells operations apart by the lines they are written on, and by the place in such a loop
        for role in ctx_host.get().loop(self.site.starting):
            each = module(role.name, "turns") if getattr(self.stack, role.name) is not None else None
            if each and hasattr(each, "prepare"):
                each.prepare(self)

    def tasks(self, *names: str) -> list[Task | DeferredTask]:
        """What the roles do in a turn: of all roles the first name, then of all the next."""
        return [task for name in names for each in self.modules() for task in getattr(each, name, _none)(self)]

    def call_check(self) -> Callable[[Host], str] | None:
        """A call through the host as it serves now, where a role has one to make."""
        found = (each.call_check(self) for each in self.modules() if hasattr(each, "call_check"))
        return next(found, None)


def modules(stack: HostStack, name: str) -> Iterator[tuple[Any, ModuleType]]:
    """Settings and the module ``name`` of each role of a host that has one."""
    for role in every_role():
        own = getattr(stack, role.name)
        if own is not None and (found := module(role.name, name)):
            yield own, found


def module(role: str, name: str) -> ModuleType | None:
    """The module ``name`` of a role, where it has one."""
    path = f"livekit_metal.roles.{role}.{name}"
    return import_module(path) if find_spec(path) else None


def _none(_: Run) -> Iterator[Task]:
    yield from ()
