"""ingress: prepare brings release and generation to the host, activate moves new streams to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from livekit_metal.roles.ingress import occupancy
from livekit_metal.roles.ingress.generation import make, root
from livekit_metal.roles.ingress.proof import Proof
from livekit_metal.roles.ingress.settings import COMPONENT, PROGRAM, UNIT, Settings
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.host import files, hidepid
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Plan, Task
from livekit_metal.runtime.slots import reboot_guard, staging
from livekit_metal.runtime.slots.generation import Generation
from livekit_metal.runtime.slots.role import SlottedRole
from livekit_metal.runtime.slots.slotted_service import SlottedService
from livekit_metal.runtime.slots.switchover import Switchover

# At the deadline of a drain: the processes of streams, children of the service, end them in an orderly way. The service
# itself has had its signal and hears no other.
_FINISH = 'pkill -INT -P "$(systemctl show -p MainPID --value "$unit")"'


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = settings.redis.missing()
    artifact = staging.fetched(settings.release_spec(), settings.arch, settings.lock_file, missing)
    return artifact, *make(settings, staging.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings, generation: Generation | None = None) -> SlottedService:
    """ingress in its slots, to run ``generation`` (None: nothing is to be started)."""
    proof = Proof(settings, generation or Generation("", "", ""))
    return SlottedService(
        component=COMPONENT,
        unit=UNIT,
        slots=settings.slots,
        root=root(settings),
        releases=f"{settings.release_root}/{PROGRAM}",
        change=Switchover(
            component=COMPONENT,
            unit=UNIT,
            active=settings.active,
            deadline=settings.drain.deadline,
            signal="SIGTERM",
            finish=_FINISH,
            grace=settings.drain.finish,
        ),
        check=proof.check,
        alone=None,  # without Redis it does not start, and a slot that is not active gets no stream
        ready=proof.ready,
        refresh=settings.refresh,
    )


def component(settings: Settings) -> SlottedRole:
    """ingress as deploys, rollbacks and maintenance know it."""
    question = occupancy.question(settings, draining=True)
    return SlottedRole(
        settings=settings,
        of=component,
        role=COMPONENT,
        program=PROGRAM,
        desired=partial(desired, settings),
        daemon=partial(daemon, settings),
        units=(
            File(f"{UNITS}/{UNIT.format('')}", files.text("ingress/livekit-ingress@.service.j2", ingress=settings)),
            *reboot_guard.Guard(settings.config_root).files,
        ),
        question=question,
        words=question.closing,
        total=question.total,
    )


def prepare(settings: Settings, accept: Collection[str] = (), *, accept_skip: bool = False) -> None:
    """Bring the program and the generation to the host; nothing that runs is touched.

    ``accept`` and ``accept_skip`` as for livekit-server.
    """
    ready = component(settings).prepared()
    plan = partial(ready.plan, accept=accept, accept_skip=accept_skip)
    in_parallel(Task(COMPONENT, ready.needs, plan), "ingress: release and generation")


def activate(settings: Settings) -> Task:
    """Have the active slot run the wanted generation: start beside, see that it is ready, hand over, drain."""
    part = component(settings).activate()
    if settings.process_list != "hide":
        return part

    def plan(seen: HostState) -> Plan:
        todo = part.plan(seen)
        return replace(todo, actions=(*hidepid.actions(seen), *todo.actions))

    return replace(part, needs=part.needs | hidepid.needs(), plan=plan)
