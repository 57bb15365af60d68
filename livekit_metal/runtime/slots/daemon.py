"""A daemon in slots as deploys, rollbacks and maintenance know it. A role's ``tasks.py`` has its own as ``DAEMON``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, ClassVar, Generic, Self, TypeVar

from pyinfra.api.host import Host

from livekit_metal.core.errors import Problem
from livekit_metal.core.slots.decision import State, retire
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.artifacts.push import bring
from livekit_metal.runtime.generations import generation
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.generations.slot_files import SlotView
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots import reboot_guard, staging
from livekit_metal.runtime.slots.occupancy import OccupancyQuery
from livekit_metal.runtime.slots.proof import Proof
from livekit_metal.runtime.slots.slotted_service import SlottedService, drains
from livekit_metal.runtime.slots.staging import Staging
from livekit_metal.runtime.slots.switchover import Switchover
from livekit_metal.site.slotted_settings import SlottedSettings

S = TypeVar("S", bound=SlottedSettings)
DesiredGeneration = tuple[Artifact, Generation, tuple[File, ...]]


class SlottedDaemon(Generic[S]):
    """Everything here follows from one ``settings`` object of the role."""

    title: ClassVar[str]  # as people call it
    unit_noun: ClassVar[str]  # what is on a slot, in the plural
    ask: ClassVar[str]  # shell text that asks a slot how much is on it, see OccupancyQuery
    healthy: ClassVar[tuple[str, ...]] = ("200",)  # HTTP statuses of health that mean that it serves
    # shell text for the doctor, after ``ask``, with $http of its health: prints `$slot unheard WHY` when it and
    # livekit-server do not hear each other on Redis
    hears: ClassVar[str] = ""
    proof: ClassVar[type[Proof[Any]]]
    view: ClassVar[type[SlotView[Any]]] = SlotView

    def __init__(self, settings: S) -> None:
        self.settings = settings
        self._desired: DesiredGeneration | None = None  # rendering it is most of what planning a host costs

    def having(self, **then: Any) -> Self:
        """The same with other settings, such as the slots and ports of an earlier generation."""
        return type(self)(dataclasses.replace(self.settings, **then))

    # what daemons differ in

    def missing(self) -> Problem | None:
        """What the site lacks for it, and how the operator can mend that."""
        return self.settings.redis.missing()

    def shared_files(self, view: SlotView[S]) -> Iterable[File]:
        """The files of a generation that all slots share; ``view`` is of any slot."""
        yield view.ports

    def slot_files(self, view: SlotView[S]) -> Iterable[File]:
        """The files of a generation for one slot. The configuration is a secret: keys and passwords are in there."""
        yield view.config()
        yield view.drop_in

    def bringing(self, artifact: Artifact, release: str) -> Callable[[Host], object]:
        """What has ``artifact`` on a host, in the directory ``release``. Raises HostError."""
        return partial(bring, artifact=artifact, directory=release, program=self.program)

    def switchover(self) -> Switchover:
        """How its slots change places."""
        own = self.settings
        return Switchover(component=own.component, unit=own.unit, active=own.active, deadline=own.drain.deadline)

    def kept(self) -> Task | None:
        """What refuses that the host is taken back while something of the site is kept there."""
        return None

    def describe(self, lines: list[str]) -> tuple[str, ...]:
        """What still drains, a sentence for each slot, from the answer to :attr:`question`."""
        return self.question.describe(lines)

    def count(self, lines: list[str]) -> int:
        """How many people (recordings, …) are on all slots together, from the same answer."""
        return self.question.count(lines)

    # what follows from that

    @property
    def role(self) -> str:
        return self.settings.component

    @property
    def template(self) -> str:
        """That of its unit."""
        return f"{self.settings.unit.format('')}.j2"

    @property
    def program(self) -> str:
        return self.settings.program

    @property
    def question(self) -> OccupancyQuery:
        """About the slots that drain, which every deploy may ask."""
        return dataclasses.replace(self.query_all, draining=True)

    @property
    def query_all(self) -> OccupancyQuery:
        """About every slot."""
        return OccupancyQuery.of(self.settings, self.ask, self.unit_noun)

    def generation(self, release: str) -> tuple[Generation, tuple[File, ...]]:
        """The generation that the settings with the program in the directory ``release`` amount to, and its files."""
        return generation.make(self.settings.generations, release, partial(self._files, release))

    def _files(self, release: str, name: str, directory: str) -> tuple[File, ...]:
        views = [self.view(self.settings, name, directory, slot, release) for slot in self.settings.slots]
        trusted = self.settings.trusted
        more = (File(f"{views[0].trust}/ca.pem", trusted),) if trusted else ()
        return (*self.shared_files(views[0]), *more, *(file for view in views for file in self.slot_files(view)))

    def desired(self) -> DesiredGeneration:
        """What the site asks for; may fetch the program. The files are those of the generation. Raises PyinfraError."""
        if self._desired is None:
            own = self.settings
            artifact = staging.fetched(own.release_spec(), own.arch, own.lock_file, self.missing())
            self._desired = artifact, *self.generation(staging.directory(own.release_root, own.program, artifact))
        return self._desired

    def service(self, wanted: Generation | None = None) -> SlottedService:
        """Its slots, to run ``wanted`` (None: nothing is to be started)."""
        own, proof = self.settings, self.proof(self.settings, wanted or Generation("", "", ""))
        return SlottedService(
            component=own.component,
            unit=own.unit,
            slots=own.slots,
            root=own.generations,
            releases=own.releases,
            change=self.switchover(),
            check=proof.check,
            alone=proof.alone if proof.proves_alone else None,
            ready=proof.ready,
            refresh=own.refresh,
        )

    @property
    def units(self) -> tuple[File, ...]:
        own = self.settings
        unit = own.unit.format("")
        content = text(f"{own.templates}/{self.template}", settings=own)
        return (File(f"{UNITS}/{unit}", content), *reboot_guard.Guard(own.config_root).files)

    @property
    def needs(self) -> StateQuery:
        """What must be seen before slots change places."""
        return self.service().needs | reboot_guard.NEEDS

    def prepare(self, accept: Collection[str] = (), *, accept_skip: bool = False) -> None:
        """Bring the program and the generation to the host; nothing that runs is touched.

        ``accept`` names generations that may be deployed although they were rolled back; ``accept_skip`` permits a
        version that must not follow the one that runs.
        """
        in_parallel(self.preparation(accept, accept_skip=accept_skip), f"{self.title}: release and generation")

    def preparation(self, accept: Collection[str], *, accept_skip: bool) -> Task:
        """What :meth:`prepare` does. Raises PyinfraError when the program cannot be fetched."""
        artifact, wanted, files = self.desired()
        send = self.bringing(artifact, wanted.release)
        ready = Staging(self.service(wanted), self.program, send, wanted, (*files, *self.units))
        return Task(self.role, ready.needs, partial(ready.plan, accept=accept, accept_skip=accept_skip))

    def activate(self) -> Task:
        """Have the active slot run the wanted generation: start beside, prove, hand over, drain."""
        _, wanted, _ = self.desired()
        return self.run(wanted)

    def run(self, wanted: Generation, *, before_switch: tuple[Action, ...] = ()) -> Task:
        """Have the active slot run ``wanted``."""
        service = self.service(wanted)

        def plan(seen: HostState) -> Plan:
            found = service.plan(wanted, seen, before_switch=before_switch)
            return dataclasses.replace(found, actions=(*reboot_guard.step(seen), *found.actions))

        return Task(self.role, self.needs | self.question.needs, plan, self.closing)

    def closing(self, seen: HostState) -> tuple[str, ...]:
        """What still drains, for the last table."""
        return self.describe(seen.answers[self.question.name])

    def retire(
        self, before: Callable[[HostState], Collection[Action]] = lambda _: (), needs: StateQuery | None = None
    ) -> Task:
        """Have no slot of the host serve; those that run drain. ``before`` may raise HostError (it needs ``needs``)."""
        service = self.service()

        def plan(seen: HostState) -> Plan:
            _, slots = service.observed(seen)
            first, decision = tuple(before(seen)), retire(slots)
            steps = (*first, *(reboot_guard.step(seen) if decision.drain else ()), *service.retire(seen, decision))
            left = [name for name, slot in slots.items() if slot.state is State.DRAINING]
            return Plan(steps, f"out of service, {drains((*left, *decision.drain)) or 'no slot runs'}")

        return Task(self.role, self.needs | self.question.needs | (needs or StateQuery()), plan, self.closing)
