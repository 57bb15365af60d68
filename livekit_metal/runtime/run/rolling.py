"""Tasks host by host, or in waves, in the order of the inventory; the first failure stops the rest.

A turn is one operation with ``_serial=True``. pyinfra takes the hosts one after the other but goes on after a
failure (FAIL_PERCENT is looked at only when all had their turn), so the turn itself remembers that it has stopped.
Where the site asks for waves it is an operation in parallel, whose hosts a gate lets in (waves.py).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyinfra import context
from pyinfra.api import FunctionCommand, StringCommand, operation

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import observer
from livekit_metal.runtime.run import maintenance
from livekit_metal.runtime.run.parallel import note, observer_of, predict, refuse, run_steps, say
from livekit_metal.runtime.run.report import results
from livekit_metal.runtime.run.task import DeferredTask, Result, Task
from livekit_metal.runtime.run.waves import Rules, gate

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State


@dataclass(frozen=True, slots=True)
class _Turn:
    """What each host does in it. ``rules``: None, where hosts go one by one."""

    title: str
    marker: str
    rules: Rules | None
    ours: str = ""

    def enter(self, host: Host) -> bool:
        """Whether ``host`` may go, when it is its turn."""
        results().keeps_order(self.title, host)
        if self.rules:
            return gate(self.title, self.rules).enter(host.name)
        return not results().stopped

    def over(self, host: Host) -> None:
        """``host`` has had its turn, however it ended."""
        if self.rules:
            gate(self.title, self.rules).leave(host.name, changed=results().of(host.name).changed)


@operation()
def _one_by_one(turn: _Turn, tasks: Sequence[Task | DeferredTask]) -> Generator[Any, None, None]:
    host, executing = context.ctx_host.get(), context.ctx_state.get().is_executing
    taking = False
    try:
        if executing and not turn.enter(host):
            return
        for command in _commands(turn, tasks, executing=executing):
            taking = True  # what is executed now says itself when it is over
            yield command
    finally:
        if executing and not taking:
            turn.over(host)


def _commands(turn: _Turn, tasks: Sequence[Task | DeferredTask], *, executing: bool) -> Iterator[Any]:
    host, result = context.ctx_host.get(), results().of(context.ctx_host.get().name)
    try:
        if turn.marker and (resting := maintenance.words(observer().current(), but=turn.ours)):
            result.resting = f"{resting}; prepared only"
            if executing:
                results().finish(turn.title, host)
            return
        named = tuple(_named(tasks))
        plans = [(task, task.plan(observer().current())) for task in named]
    except HostError as error:
        if not executing:
            say(host, "turn", str(error))
        yield FunctionCommand(_stop, (turn, str(error)), {})
        return
    if not executing:
        said = [predict(host, task, plan) for task, plan in plans]
        if any(said):
            yield StringCommand("true")
    elif any(plan.actions for _, plan in plans):
        yield FunctionCommand(_take, (turn, named), {})
    else:
        for task, plan in plans:
            note(result, task, plan)
        _close(host, named, result)
        results().finish(turn.title, host)


def _named(tasks: Sequence[Task | DeferredTask]) -> Iterator[Task]:
    """The tasks, those that depend on what was seen as well."""
    for task in tasks:
        if isinstance(task, Task):
            yield task
            continue
        for later in task.tasks(observer().current()):
            observer().need(later.needs)
            yield later


def _stop(state: State, host: Host, turn: _Turn, why: str) -> bool:
    results().stopped[host.name] = None
    turn.over(host)
    return refuse(state, host, "turn", why)


def _take(state: State, host: Host, turn: _Turn, tasks: Sequence[Task]) -> bool:
    all_results = results()
    result = all_results.of(host.name)
    all_results.stopped[host.name] = None  # until proven otherwise: also what an interrupted run leaves behind
    began = time.monotonic()
    try:
        if not all(_done(state, host, task, result) for task in tasks):
            return False
        _close(host, tasks, result)
        del all_results.stopped[host.name]
        result.seconds += time.monotonic() - began
        all_results.finish(turn.title, host)
        return True
    finally:
        turn.over(host)


def _done(state: State, host: Host, task: Task, result: Result) -> bool:
    try:
        plan = task.plan(observer_of(host).current())  # planned again: an earlier task may have changed the host
    except HostError as error:
        return refuse(state, host, task.role, str(error))
    if plan.actions:
        return run_steps(state, host, task, plan, result)
    note(result, task, plan)
    return True


def _close(host: Host, tasks: Sequence[Task], result: Result) -> None:
    """Add what is to be said of the host at the end; one that cannot be read by now has been changed nonetheless."""
    try:
        seen = observer_of(host).current()
        result.notes.extend(f"{task.role}: {text}" for task in tasks for text in task.closing(seen))
    except HostError as error:
        result.notes.append(f"how things are now is not known: {error}")


def one_by_one(
    name: str, *tasks: Task | DeferredTask | None, marker: str = "", ours: str = "", rules: Rules | None = None
) -> None:
    """Register the activation of ``tasks`` on the host in context as one operation.

    A host that has the file ``marker`` is in maintenance: nothing is activated on it, unless ``ours`` is the reason
    that stands in it. With ``rules`` for more than one host at a time they go in waves.
    """
    if marker:
        observer().need(maintenance.needs(marker))
    present = tuple(p for p in tasks if p is not None)
    for task in present:
        observer().need(task.needs)
    results().join(name, context.ctx_host.get())
    serial = rules is None or (rules.rollout.serial and not rules.rollout.pause)
    turn = _Turn(name, marker, None if serial else rules, ours)
    _one_by_one(name=name, turn=turn, tasks=present, _serial=serial)
