"""A daemon in slots as deploys, rollbacks and maintenance know it; what a role with slots exports as ``component``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.slots.decision import State, retire
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots import reboot_guard
from livekit_metal.runtime.slots.generation import Generation
from livekit_metal.runtime.slots.occupancy import OccupancyQuery
from livekit_metal.runtime.slots.slotted_service import SlottedService, drains
from livekit_metal.runtime.slots.staging import Staging

DesiredGeneration = tuple[Artifact, Generation, tuple[File, ...]]


@dataclass(frozen=True, slots=True)
class SlottedRole:
    """Everything here follows from one ``settings`` object of the role; ``of`` makes a component from another one."""

    settings: Any
    of: Callable[[Any], SlottedRole]
    role: str
    program: str  # its file in a release, and the component of its versions
    desired: Callable[[], DesiredGeneration]  # may fetch the program; the files are those of the generation
    daemon: Callable[[Generation | None], SlottedService]  # None: nothing is to be started
    units: tuple[File, ...]
    question: OccupancyQuery  # about the slots that drain
    words: Callable[[list[str]], tuple[str, ...]]  # its answer, a sentence for each
    total: Callable[[list[str]], int]  # how many people (recordings, …) its answer counts

    @property
    def needs(self) -> StateQuery:
        """What must be seen before slots change places."""
        return self.daemon(None).needs | reboot_guard.NEEDS

    def prepared(self) -> Staging:
        """What a deploy brings to the host. Raises PyinfraError when the program cannot be fetched."""
        artifact, wanted, files = self.desired()
        return Staging(self.daemon(wanted), self.program, artifact, wanted, (*files, *self.units))

    def activate(self) -> Task:
        """Have the active slot run the wanted generation: start beside, prove, hand over, drain."""
        _, wanted, _ = self.desired()
        return self.run(wanted)

    def run(self, wanted: Generation, *, before_hand_over: tuple[Action, ...] = ()) -> Task:
        """Have the active slot run ``wanted``."""
        server = self.daemon(wanted)

        def plan(seen: HostState) -> Plan:
            todo = server.plan(wanted, seen, before_hand_over=before_hand_over)
            return dataclasses.replace(todo, actions=(*reboot_guard.step(seen), *todo.actions))

        return Task(self.role, self.needs | self.question.needs, plan, self.closing)

    def closing(self, seen: HostState) -> tuple[str, ...]:
        """What still drains, for the last table."""
        return self.words(seen.answers[self.question.name])

    @property
    def query_all(self) -> OccupancyQuery:
        """About every slot, not only those that drain."""
        return dataclasses.replace(self.question, draining=False)

    def retire(
        self, before: Callable[[HostState], Collection[Action]] = lambda _: (), needs: StateQuery | None = None
    ) -> Task:
        """Have no slot of the host serve; those that run drain. ``before`` may raise HostError (it needs ``needs``)."""
        server = self.daemon(None)

        def plan(seen: HostState) -> Plan:
            _, slots = server.observed(seen)
            first, decision = tuple(before(seen)), retire(slots)
            steps = (*first, *(reboot_guard.step(seen) if decision.drain else ()), *server.retire(seen, decision))
            left = [name for name, slot in slots.items() if slot.state is State.DRAINING]
            return Plan(steps, f"out of service, {drains((*left, *decision.drain)) or 'no slot runs'}")

        return Task(self.role, self.needs | self.question.needs | (needs or StateQuery()), plan, self.closing)
