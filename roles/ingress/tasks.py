"""ingress: prepare brings release and generation to the host, activate moves new streams to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from roles._kit import files, guard, hidepid, prepared
from roles._kit.artifact import Artifact
from roles._kit.component import Component
from roles._kit.files import File
from roles._kit.generation import Generation
from roles._kit.look import Seen
from roles._kit.plan import Part, Todo
from roles._kit.service import UNITS
from roles._kit.slot import Change
from roles._kit.slotted import Daemon
from roles._kit.stage import stage
from roles.ingress import occupancy
from roles.ingress.generation import make, root
from roles.ingress.proof import Proof
from roles.ingress.settings import COMPONENT, PROGRAM, UNIT, Settings

# At the deadline of a drain: the processes of streams, children of the service, end them in an orderly way. The service
# itself has had its signal and hears no other.
_FINISH = 'pkill -INT -P "$(systemctl show -p MainPID --value "$unit")"'


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = settings.redis.missing()
    artifact = prepared.fetched(settings.wanted(), settings.arch, settings.lock_file, missing)
    return artifact, *make(settings, prepared.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings, generation: Generation | None = None) -> Daemon:
    """ingress in its slots, to run ``generation`` (None: nothing is to be started)."""
    proof = Proof(settings, generation or Generation("", "", ""))
    return Daemon(
        component=COMPONENT,
        unit=UNIT,
        slots=settings.slots,
        root=root(settings),
        releases=f"{settings.release_root}/{PROGRAM}",
        change=Change(
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


def component(settings: Settings) -> Component:
    """ingress as deploys, rollbacks and maintenance know it."""
    question = occupancy.question(settings, draining=True)
    return Component(
        settings=settings,
        of=component,
        role=COMPONENT,
        program=PROGRAM,
        desired=partial(desired, settings),
        daemon=partial(daemon, settings),
        units=(
            File(f"{UNITS}/{UNIT.format('')}", files.text("ingress/livekit-ingress@.service.j2", ingress=settings)),
            *guard.Guard(settings.config_root).files,
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
    stage(Part(COMPONENT, ready.needs, plan), "ingress: release and generation")


def activate(settings: Settings) -> Part:
    """Have the active slot run the wanted generation: start beside, see that it is ready, hand over, drain."""
    part = component(settings).activate()
    if settings.process_list != "hide":
        return part

    def plan(seen: Seen) -> Todo:
        todo = part.plan(seen)
        return replace(todo, steps=(*hidepid.steps(seen), *todo.steps))

    return replace(part, needs=part.needs | hidepid.needs(), plan=plan)
