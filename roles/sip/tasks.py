"""livekit-sip: prepare brings release and generation to the host, activate has new calls go to them."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from livekit_metal.core import shell
from livekit_metal.core.errors import Problem
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.sip import occupancy
from livekit_metal.roles.sip.generation import make, root
from livekit_metal.roles.sip.proof import Proof
from livekit_metal.roles.sip.settings import MEDIA_TIMEOUT, PROGRAM, UNIT, Settings
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.slots import reboot_guard, staging
from livekit_metal.runtime.slots.generation import Generation
from livekit_metal.runtime.slots.role import SlottedRole
from livekit_metal.runtime.slots.slotted_service import SlottedService
from livekit_metal.runtime.slots.switchover import Switchover

_TELL = shell.program(__file__, "tell")
_FINISH = shell.program(__file__, "finish")


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = settings.redis.missing()
    if settings.missing:
        remedy = f"store it: python -m procedures.secrets INVENTORY set {settings.missing[0]}"
        missing = Problem("sip", f"{' and '.join(settings.missing)} not among the secrets", remedy)
    elif settings.wrong:
        missing = settings.wrong[0]
    artifact = staging.fetched(settings.release_spec(), settings.arch, settings.lock_file, missing)
    return artifact, *make(settings, staging.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings, generation: Generation | None = None) -> SlottedService:
    """livekit-sip in its slots, to run ``generation`` (None: nothing is to be started)."""
    proof, tell = Proof(settings, generation or Generation("", "", "")), shell.given(_TELL, settings.dispatch)
    return SlottedService(
        component="sip",
        unit=UNIT,
        slots=settings.slots,
        root=root(settings),
        releases=f"{settings.release_root}/{PROGRAM}",
        change=Switchover(
            component="sip",
            unit=UNIT,
            active=settings.active,
            deadline=settings.drain.deadline,
            flip=tell,
            close=tell,
            signal="SIGTERM",
            finish=_FINISH,
            grace=Duration(MEDIA_TIMEOUT + 30),  # it looks every 5 s whether calls are left
        ),
        check=proof.check,
        alone=None,  # without Redis it does not start
        ready=proof.ready,
        refresh=settings.refresh,
    )


def component(settings: Settings) -> SlottedRole:
    """livekit-sip as deploys, rollbacks and maintenance know it."""
    question = occupancy.question(settings, draining=True)
    return SlottedRole(
        settings=settings,
        of=component,
        role="sip",
        program=PROGRAM,
        desired=partial(desired, settings),
        daemon=partial(daemon, settings),
        units=(
            File(f"{UNITS}/{UNIT.format('')}", files.text("sip/livekit-sip@.service.j2", sip=settings)),
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
    in_parallel(Task("sip", ready.needs, plan), "livekit-sip: release and generation")


def activate(settings: Settings) -> Task:
    """Have the active slot run the wanted generation: start beside, see that it is ready, hand over, drain."""
    return component(settings).activate()
