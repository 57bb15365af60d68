"""Tasks host by host, in the order of the inventory; the first failure stops the rest.

A turn is one operation with ``_serial=True``. pyinfra takes the hosts one after the other but goes on after a
failure (FAIL_PERCENT is looked at only when all had their turn), so the turn itself remembers that it has stopped.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pyinfra import context
from pyinfra.api import FunctionCommand, StringCommand, operation

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import observer
from livekit_metal.runtime.run import maintenance
from livekit_metal.runtime.run.parallel import note, observer_of, predict, refuse, run_steps, say
from livekit_metal.runtime.run.report import results
from livekit_metal.runtime.run.task import DeferredTask, Result, Task

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State


@operation()
def _one_by_one(title: str, tasks: Sequence[Task | DeferredTask], marker: str) -> Generator[Any, None, None]:
    host, executing = context.ctx_host.get(), context.ctx_state.get().is_executing
    all_results = results()
    if executing and not all_results.may_go(title, host):
        return
    try:
        if resting := maintenance.words(observer().current()) if marker else "":
            all_results.of(host.name).resting = f"{resting}; prepared only"
            if executing:
                all_results.finish(title, host)
            return
        named = tuple(_named(tasks))
        plans = [(task, task.plan(observer().current())) for task in named]
    except HostError as error:
        if not executing:
            say(host, "turn", str(error))
        yield FunctionCommand(_stop, (str(error),), {})
        return
    if not executing:
        said = [predict(host, task, plan) for task, plan in plans]
        if any(said):
            yield StringCommand("true")
    elif any(plan.actions for _, plan in plans):
        yield FunctionCommand(_take, (title, named), {})
    else:
        for task, plan in plans:
            note(all_results.of(host.name), task, plan)
        _close(host, named, all_results.of(host.name))
        all_results.finish(title, host)


def _named(tasks: Sequence[Task | DeferredTask]) -> Iterator[Task]:
    """The tasks, those that depend on what was seen as well."""
    for task in tasks:
        if isinstance(task, Task):
            yield task
            continue
        for later in task.tasks(observer().current()):
            observer().need(later.needs)
            yield later


def _stop(state: State, host: Host, why: str) -> bool:
    results().stopped_at = host.name
    return refuse(state, host, "turn", why)


def _take(state: State, host: Host, title: str, tasks: Sequence[Task]) -> bool:
    all_results = results()
    result = all_results.of(host.name)
    all_results.stopped_at = host.name  # until proven otherwise: also what an interrupted run leaves behind
    began = time.monotonic()
    for task in tasks:
        try:
            plan = task.plan(observer_of(host).current())  # planned again: an earlier task may have changed the host
        except HostError as error:
            return refuse(state, host, task.role, str(error))
        if plan.actions and not run_steps(state, host, task, plan, result):
            return False
        if not plan.actions:
            note(result, task, plan)
    _close(host, tasks, result)
    all_results.stopped_at = ""
    result.seconds += time.monotonic() - began
    all_results.finish(title, host)
    return True


def _close(host: Host, tasks: Sequence[Task], result: Result) -> None:
    """Add what is to be said of the host at the end; one that cannot be read by now has been changed nonetheless."""
    try:
        seen = observer_of(host).current()
        result.notes.extend(f"{task.role}: {text}" for task in tasks for text in task.closing(seen))
    except HostError as error:
        result.notes.append(f"how things are now is not known: {error}")


def one_by_one(name: str, *tasks: Task | DeferredTask | None, marker: str = "") -> None:
    """Register the activation of ``tasks`` on the host in context as one operation.

    A host that has the file ``marker`` is in maintenance: nothing is activated on it.
    """
    if marker:
        observer().need(maintenance.needs(marker))
    present = tuple(p for p in tasks if p is not None)
    for task in present:
        observer().need(task.needs)
    results().join(name, context.ctx_host.get())
    _one_by_one(name=name, title=name, tasks=present, marker=marker, _serial=True)
