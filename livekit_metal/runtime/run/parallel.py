"""A Task on all hosts in parallel: preparation, which changes no traffic."""

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
def _in_parallel(task: Task) -> Generator[Any, None, None]:
    host, executing = context.ctx_host.get(), context.ctx_state.get().is_executing
    result = results().of(host.name)
    try:
        plan = task.plan(observer().current())
    except HostError as error:
        if not executing:
            say(host, task.role, str(error))
        yield FunctionCommand(refuse, (task.role, str(error)), {})
        return
    if not executing:
        if predict(host, task, plan):
            yield StringCommand("true")
    elif plan.actions:
        yield FunctionCommand(run_steps, (task, plan, result), {})
    else:
        note(result, task, plan)
        host.noop(f"{task.role}: up to date")


def in_parallel(task: Task, name: str) -> None:
    """Register ``task`` as one operation of the host in context."""
    observer().need(task.needs)
    _in_parallel(name=name, task=task)


def predict(host: Host, task: Task, plan: Plan) -> bool:
    """Say what a deploy would do, for a plan; whether that is anything."""
    for step in plan.actions:
        host.log(f"{task.role} would: {step.name}")
        if step.preview and host.state.config.DIFF:
            step.preview(host)
    return bool(plan.actions)


def say(host: Host, role: str, why: str) -> None:
    """Show the operator why something is refused."""
    for line in why.splitlines():
        host.log_styled(f"{role}: {line}", fg="red")


def note(result: Result, task: Task, plan: Plan) -> None:
    """Keep what the last table should say."""
    if plan.summary:
        result.summaries.append(f"{task.role} {plan.summary}")
    result.notes.extend(f"{task.role}: {n}" for n in plan.notes)


# The first two arguments make pyinfra take the return value as the outcome, without a traceback.
def refuse(state: State, host: Host, role: str, why: str) -> bool:
    """End this host's run with a message."""
    result = results().of(host.name)
    result.word, result.why = "failed", f"{role}: {why}".splitlines()[0]  # the table has one line per host
    say(host, role, why)
    return False


def run_steps(state: State, host: Host, task: Task, plan: Plan, result: Result) -> bool:
    """Run the steps of one plan; False when one failed (its undo has run then)."""
    step_name, audit = "", Entry(host, task, plan)
    result.changed = True
    audit.began()
    try:
        for step in plan.actions:
            step_name = step.name
            result.word, result.why = "interrupted", f"{task.role}: {step.name}"
            host.log(f"{task.role}: {step.name}")
            if (said := step.run(host)) and isinstance(said, str):
                result.notes.append(f"{task.role}: {said}")
    except Exception as error:
        why = str(error) if isinstance(error, HostError) else f"{type(error).__name__}: {error}"
        refuse(state, host, task.role, f"{step_name}: {why}")
        audit.ended(f"failed: {step_name}: {why}")
        _undo(host, task, plan)
        return False
    finally:
        observer_of(host).forget()
    audit.ended("done")
    note(result, task, plan)
    result.word, result.why = "prepared", ""
    return True


def observer_of(host: Host) -> Any:
    with context.ctx_host.use(host):
        return observer()


def _undo(host: Host, task: Task, plan: Plan) -> None:
    if plan.undo is None:
        return
    try:
        plan.undo(host)
    except Exception as error:
        host.log_styled(f"{task.role}: cleaning up failed too: {error}", fg="red")
