"""Back to the generation that served before: which it is, and the settings that fit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

from livekit_metal.core.ports import PortRange
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots import upgrade_guard
from livekit_metal.runtime.slots.daemon import SlottedDaemon


@dataclass(frozen=True, slots=True)
class RollbackTarget:
    """What a host goes back to, and the settings that were other ones for it: its slots and ports."""

    generation: Generation
    rejected: str  # the generation that is given up
    then: Mapping[str, Any]


def questions(component: SlottedDaemon[Any]) -> StateQuery:
    """What must be seen to find the target."""
    root = component.service().root
    return component.needs | StateQuery(queries=((_probe(component), f"cd {quote(root)} && grep . */ports"),))


def _probe(component: SlottedDaemon[Any]) -> str:
    return f"{component.role}.ports"


def target(component: SlottedDaemon[Any], seen: HostState, *, anything: bool) -> RollbackTarget | str:
    """The generation to go back to, or why this host has nothing to undo. Raises HostError when it has and cannot.

    What is undone is what the inventory asks for; ``anything``: whatever serves.
    """
    wanted = component.desired()[1]
    server = component.service()
    history, now = server.history, server.serving(seen)
    if not now:
        raise HostError("no slot serves here, so there is nothing to go back from; deploy instead")
    if now != wanted.name and not anything:
        if wanted.name in history.records(seen):
            return f"generation {now} serves, not {wanted.name} of the inventory: nothing to roll back"
        raise HostError(
            f"generation {now} serves, and the inventory asks for {wanted.name}, which was never deployed "
            "here; restore the inventory of the last deploy, or roll back whatever serves with --data any=yes"
        )
    record = history.previous(seen, now)
    if record is None:
        raise HostError("no other generation has served here: nothing to go back to; deploy a changed inventory")
    if record.release not in seen.answers[f"{component.role}.releases"]:
        raise HostError(f"{record.release}, which served before, is gone; deploy that version instead")
    generation = Generation(record.name, f"{server.root}/{record.name}", record.release)
    return RollbackTarget(generation, now, _then(component, record.name, seen.answers[_probe(component)]))


def _then(component: SlottedDaemon[Any], name: str, ports: list[str]) -> dict[str, Any]:
    """Slots and ports of a generation, and what else was different, from its own record."""
    lines = [line.removeprefix(f"{name}/ports:") for line in ports if line.startswith(f"{name}/")]
    words = [line.split() for line in lines]
    then: dict[str, Any] = {w[1]: PortRange.parse(w[2]) for w in words if w[0] == "range"}
    then |= component.settings.earlier(lines)
    return then | {w[0]: tuple(w[1:]) for w in words if w[0] == "slots"}


def prepare(component: SlottedDaemon[Any], *, anything: bool, accept_skip: bool = False) -> None:
    """Refuse a rollback that cannot be, before any host is changed; ``accept_skip`` as for a deploy."""

    def plan(seen: HostState) -> Plan:
        found = target(component, seen, anything=anything)
        if isinstance(found, str):
            return Plan(notes=(found,))
        server = component.having(**found.then).service(found.generation)
        server.decision(found.generation, seen)
        return Plan(notes=upgrade_guard.allowed(component.program, server, found.generation, seen, accept=accept_skip))

    in_parallel(Task(component.role, questions(component), plan), f"{component.program}: what to go back to")


def roll_back(component: SlottedDaemon[Any], to: RollbackTarget, why: str) -> Task:
    """Bring ``to`` back into service; ``component`` has the settings of the site as it was then."""
    history = component.service().history
    record = Action(f"record that {to.rejected} was rolled back", lambda host: history.reject(host, to.rejected, why))
    return component.run(to.generation, before_switch=(record,))
