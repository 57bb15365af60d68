"""egress: prepare brings release and generation to the host, activate moves new recordings to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from livekit_metal.core.errors import Problem
from livekit_metal.roles.egress import occupancy, store
from livekit_metal.roles.egress.generation import make, root
from livekit_metal.roles.egress.proof import Proof
from livekit_metal.roles.egress.settings import PROGRAM, UNIT, Settings
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots import reboot_guard, staging
from livekit_metal.runtime.slots.generation import Generation
from livekit_metal.runtime.slots.role import SlottedRole
from livekit_metal.runtime.slots.slotted_service import SlottedService
from livekit_metal.runtime.slots.switchover import Switchover

# At the deadline of a drain: what the slot's own generation has for that.
_FINISH = """exec /bin/sh "$(dirname "$(readlink "/etc/systemd/system/$unit.d/50-generation.conf")")/end.sh" "$unit\""""


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = settings.redis.missing()
    if (name := settings.storage.wants) and settings.storage_secret is None:
        remedy = f"store it: python -m procedures.secrets INVENTORY set {name}"
        missing = Problem(f"egress.storage.{settings.storage.kind}", f"{name} is not among the secrets", remedy)
    artifact = staging.fetched(settings.release_spec(), settings.arch, settings.lock_file, missing)
    return artifact, *make(settings, staging.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings, _: Generation | None = None) -> SlottedService:
    """egress in its slots; what it has to show is the same for every generation."""
    proof, drain = Proof(settings), settings.drain
    return SlottedService(
        component=PROGRAM,
        unit=UNIT,
        slots=settings.slots,
        root=root(settings),
        releases=f"{settings.release_root}/{PROGRAM}",
        change=Switchover(
            component=PROGRAM,
            unit=UNIT,
            active=settings.active,
            deadline=drain.deadline,
            flip='write "$component $slot"',  # recordings are placed over Redis: nothing stands in front
            finish=_FINISH,
            grace=drain.finalise,
        ),
        check=proof.check,
        alone=None,  # without Redis it does not start
        ready=proof.ready,
        refresh=settings.refresh,
    )


def component(settings: Settings) -> SlottedRole:
    """egress as deploys, rollbacks and maintenance know it."""
    question = occupancy.question(settings, draining=True)
    unit = files.text("egress/livekit-egress@.service.j2", egress=settings)
    return SlottedRole(
        settings=settings,
        of=component,
        role=PROGRAM,
        program=PROGRAM,
        desired=partial(desired, settings),
        daemon=partial(daemon, settings),
        units=(File(f"{UNITS}/{UNIT.format('')}", unit), *reboot_guard.Guard(settings.config_root).files),
        question=question,
        words=question.closing,
        total=question.total,
    )


def prepare(settings: Settings, accept: Collection[str] = (), *, accept_skip: bool = False) -> None:
    """Bring the program and the generation to the host; nothing that runs is touched.

    A store that does not take files is refused here, before any host is changed. ``accept`` and ``accept_skip`` as for
    livekit-server.
    """
    ready = component(settings).prepared()
    prove = Action("the store takes, gives and deletes an object", partial(store.prove, settings=settings))

    def plan(seen: HostState) -> Plan:
        todo = ready.plan(seen, accept=accept, accept_skip=accept_skip)
        if not settings.storage.kind or ready.daemon.serving(seen) == ready.wanted.name:
            return todo
        return replace(todo, actions=(prove, *todo.actions))

    in_parallel(Task(PROGRAM, ready.needs, plan), "egress: release and generation")


def activate(settings: Settings) -> Task:
    """Have the active slot run the wanted generation: start beside, see that it is ready, hand over, drain."""
    part = component(settings).activate()

    def closing(seen: HostState) -> tuple[str, ...]:
        return (*part.closing(seen), *occupancy.notes(settings, seen))

    return replace(part, needs=part.needs | occupancy.needs(settings), closing=closing)


def delivered(settings: Settings) -> Task:
    """Refuse to go on while recordings are on the host: what comes next removes them."""

    def plan(seen: HostState) -> Plan:
        if there := [f"{number} in {settings.state}/{name}" for name, number in occupancy.left(seen).items() if number]:
            remedy = "fetch them, or deliver them with procedures/reupload.py, or drop them with --data calls=drop"
            raise HostError(f"recordings are still here ({', '.join(there)}); {remedy}")
        return Plan()

    return Task(PROGRAM, occupancy.needs(settings), plan)


def deliver(settings: Settings) -> None:
    """Move files whose upload failed to the store, on the host in context."""

    def plan(seen: HostState) -> Plan:
        if not settings.storage.kind:
            return Plan(notes=(f"no store: files stay on the host, in {settings.state}/files",))
        if not (waiting := occupancy.left(seen).get("backup")):
            return Plan(notes=("nothing waits to be delivered",))
        send = partial(store.deliver, settings=settings)
        return Plan((Action(f"deliver {waiting} files to the store", send),))

    in_parallel(Task(PROGRAM, occupancy.needs(settings), plan), "Deliver recordings")
