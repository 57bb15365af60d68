"""Fleets that a host has and the site no longer: their workers drain; when the last job is over, all of it goes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from shlex import quote
from typing import Any

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.slots.decision import State
from livekit_metal.roles.agents.code import Source
from livekit_metal.roles.agents.settings import Fleet
from livekit_metal.roles.agents.tasks import Agents
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action, DeferredTask, Plan, Task

_PROBE = "agents.fleets"
_FLEETS = f"ls {quote(UNITS)} | sed -n 's/^livekit-agents-\\(.*\\)@\\.service$/\\1/p'"
_REMOVE = shell.program(__file__, "remove")


def former(present: Collection[str], told: Mapping[str, Any]) -> DeferredTask:
    """For the fleets of a host but ``present``; ``told`` is what the site tells every daemon there."""

    def tasks(seen: HostState) -> tuple[Task, ...]:
        names = [name for name in seen.answers[_PROBE] if name not in present]
        return tuple(task for name in names for task in _ending(name, told))

    return DeferredTask(StateQuery(queries=((_PROBE, _FLEETS),)), tasks)


def _ending(name: str, told: Mapping[str, Any]) -> Iterator[Task]:
    daemon = Agents(Fleet(source=Source(python="-"), name=name, **told))
    service, own = daemon.service(), daemon.settings

    def plan(seen: HostState) -> Plan:
        _, slots = service.observed(seen)
        if any(slot.state is not State.EMPTY for slot in slots.values()):
            return Plan(
                notes=("is no longer in the inventory; a deploy after its last job removes what is left of it",)
            )
        return Plan((Action("remove what is left of it", partial(_removed, own=own)),), "removed")

    yield daemon.retire()
    yield Task(own.component, daemon.needs, plan)


def _removed(host: Host, own: Fleet) -> None:
    run(host, _REMOVE, own.unit.format(""), own.user, own.generations, own.releases)
