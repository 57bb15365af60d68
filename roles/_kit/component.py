"""A daemon in slots as deploys, rollbacks and maintenance know it; what a role with slots exports as ``component``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from roles._kit import guard
from roles._kit.artifact import Artifact
from roles._kit.files import File
from roles._kit.generation import Generation
from roles._kit.look import Needs, Seen
from roles._kit.occupancy import Question
from roles._kit.plan import Part, Step, Todo
from roles._kit.prepared import Prepared
from roles._kit.slotted import Daemon, drains
from stack.slots import State, retire

Desired = tuple[Artifact, Generation, tuple[File, ...]]


@dataclass(frozen=True, slots=True)
class Component:
    """Everything here follows from one ``settings`` object of the role; ``of`` makes a component from another one."""

    settings: Any
    of: Callable[[Any], Component]
    role: str
    program: str  # its file in a release, and the component of its versions
    desired: Callable[[], Desired]  # may fetch the program; the files are those of the generation
    daemon: Callable[[Generation | None], Daemon]  # None: nothing is to be started
    units: tuple[File, ...]
    question: Question  # about the slots that drain
    words: Callable[[list[str]], tuple[str, ...]]  # its answer, a sentence for each
    total: Callable[[list[str]], int]  # how many people (recordings, …) its answer counts

    @property
    def needs(self) -> Needs:
        """What must be seen before slots change places."""
        return self.daemon(None).needs | guard.NEEDS

    def prepared(self) -> Prepared:
        """What a deploy brings to the host. Raises PyinfraError when the program cannot be fetched."""
        artifact, wanted, files = self.desired()
        return Prepared(self.daemon(wanted), self.program, artifact, wanted, (*files, *self.units))

    def activate(self) -> Part:
        """Have the active slot run the wanted generation: start beside, prove, hand over, drain."""
        _, wanted, _ = self.desired()
        return self.run(wanted)

    def run(self, wanted: Generation, *, before_hand_over: tuple[Step, ...] = ()) -> Part:
        """Have the active slot run ``wanted``."""
        server = self.daemon(wanted)

        def plan(seen: Seen) -> Todo:
            todo = server.plan(wanted, seen, before_hand_over=before_hand_over)
            return dataclasses.replace(todo, steps=(*guard.step(seen), *todo.steps))

        return Part(self.role, self.needs | self.question.needs, plan, self.closing)

    def closing(self, seen: Seen) -> tuple[str, ...]:
        """What still drains, for the last table."""
        return self.words(seen.probes[self.question.name])

    @property
    def whole_question(self) -> Question:
        """About every slot, not only those that drain."""
        return dataclasses.replace(self.question, draining=False)

    def retire(self, before: Callable[[Seen], Collection[Step]] = lambda _: (), needs: Needs | None = None) -> Part:
        """Have no slot of the host serve; those that run drain. ``before`` may raise Failed (it needs ``needs``)."""
        server = self.daemon(None)

        def plan(seen: Seen) -> Todo:
            _, slots = server.observed(seen)
            first, decision = tuple(before(seen)), retire(slots)
            steps = (*first, *(guard.step(seen) if decision.drain else ()), *server.retire(seen, decision))
            left = [name for name, slot in slots.items() if slot.state is State.DRAINING]
            return Todo(steps, f"out of service, {drains((*left, *decision.drain)) or 'no slot runs'}")

        return Part(self.role, self.needs | self.question.needs | (needs or Needs()), plan, self.closing)
