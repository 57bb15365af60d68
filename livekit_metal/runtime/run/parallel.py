"""A Part on all hosts in parallel: preparation, which changes no traffic."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from pyinfra import context
from pyinfra.api import FunctionCommand, StringCommand, operation

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import observer
from livekit_metal.runtime.run.audit import Entry
from livekit_metal.runtime.run.report import results
from livekit_metal.runtime.run.task import Plan, Result, Task

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State


@operation()
def _in_parallel(part: Task) -> Generator[Any, None, None]:
    host, executing = context.ctx_host.get(), context.ctx_state.get().is_executing
    result = results().of(host.name)
    try:
        todo = part.plan(observer().current())
    except HostError as error:
        if not executing:
            say(host, part.role, str(error))
        yield FunctionCommand(refuse, (part.role, str(error)), {})
        return
    if not executing:
        if predict(host, part, todo):
            yield StringCommand("true")
    elif todo.steps:
        yield FunctionCommand(run_steps, (part, todo, result), {})
    else:
        note(result, part, todo)
        host.noop(f"{part.role}: up to date")


def in_parallel(part: Task, name: str) -> None:
    """Register ``part`` as one operation of the host in context."""
    observer().need(part.needs)
    _in_parallel(name=name, part=part)


def predict(host: Host, part: Task, todo: Plan) -> bool:
    """Say what a deploy would do, for a plan; whether that is anything."""
    for step in todo.steps:
        host.log(f"{part.role} would: {step.name}")
        if step.preview and host.state.config.DIFF:
            step.preview(host)
    return bool(todo.steps)


def say(host: Host, role: str, why: str) -> None:
    """Show the operator why something is refused."""
    for line in why.splitlines():
        host.log_styled(f"{role}: {line}", fg="red")


def note(result: Result, part: Task, todo: Plan) -> None:
    """Keep what the last table should say."""
    if todo.summary:
        result.summaries.append(f"{part.role} {todo.summary}")
    result.notes.extend(f"{part.role}: {n}" for n in todo.notes)


# The first two arguments make pyinfra take the return value as the outcome, without a traceback.
def refuse(state: State, host: Host, role: str, why: str) -> bool:
    """End this host's run with a message."""
    result = results().of(host.name)
    result.word, result.why = "failed", f"{role}: {why}".splitlines()[0]  # the table has one line per host
    say(host, role, why)
    return False


def run_steps(state: State, host: Host, part: Task, todo: Plan, result: Result) -> bool:
    """Run the steps of one todo; False when one failed (its undo has run then)."""
    step_name, audit = "", Entry(host, part, todo)
    result.changed = True
    audit.began()
    try:
        for step in todo.steps:
            step_name = step.name
            result.word, result.why = "interrupted", f"{part.role}: {step.name}"
            host.log(f"{part.role}: {step.name}")
            if (said := step.run(host)) and isinstance(said, str):
                result.notes.append(f"{part.role}: {said}")
    except Exception as error:
        why = str(error) if isinstance(error, HostError) else f"{type(error).__name__}: {error}"
        refuse(state, host, part.role, f"{step_name}: {why}")
        audit.ended(f"failed: {step_name}: {why}")
        _undo(host, part, todo)
        return False
    finally:
        observer_of(host).forget()
    audit.ended("done")
    note(result, part, todo)
    result.word, result.why = "prepared", ""
    return True


def observer_of(host: Host) -> Any:
    with context.ctx_host.use(host):
        return observer()


def _undo(host: Host, part: Task, todo: Plan) -> None:
    if todo.undo is None:
        return
    try:
        todo.undo(host)
    except Exception as error:
        host.log_styled(f"{part.role}: cleaning up failed too: {error}", fg="red")
