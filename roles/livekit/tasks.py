"""livekit-server: prepare brings release and generation to the host, activate moves new sessions to them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from pyinfra.api.host import Host

from livekit_metal.roles.livekit import occupancy
from livekit_metal.roles.livekit.generation import make, root
from livekit_metal.roles.livekit.proof import UNJOINED, Proof, through_active, vantage
from livekit_metal.roles.livekit.settings import PROGRAM, UNIT, Settings
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.probe import on_host
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Plan, Task
from livekit_metal.runtime.slots import reboot_guard, staging
from livekit_metal.runtime.slots.generation import Generation
from livekit_metal.runtime.slots.role import SlottedRole
from livekit_metal.runtime.slots.slotted_service import SlottedService
from livekit_metal.runtime.slots.switchover import Switchover


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = settings.redis.missing()
    artifact = staging.fetched(settings.release_spec(), settings.arch, settings.lock_file, missing)
    return artifact, *make(settings, staging.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings, generation: Generation | None = None) -> SlottedService:
    """livekit-server in its slots, to run ``generation`` (None: nothing is to be started)."""
    proof = Proof(settings, generation or Generation("", "", ""))
    drain = settings.drain
    return SlottedService(
        component="livekit",
        unit=UNIT,
        slots=settings.slots,
        root=root(settings),
        releases=f"{settings.release_root}/{PROGRAM}",
        change=Switchover(
            component="livekit",
            unit=UNIT,
            active=settings.active,
            deadline=drain.deadline,
            unjoined=drain.unjoined,
            waiting=UNJOINED,
        ),
        check=proof.check,
        alone=proof.alone,
        ready=proof.ready,
        refresh=settings.refresh,
    )


def component(settings: Settings) -> SlottedRole:
    """livekit-server as deploys, rollbacks and maintenance know it."""
    return SlottedRole(
        settings=settings,
        of=component,
        role="livekit",
        program=PROGRAM,
        desired=partial(desired, settings),
        daemon=partial(daemon, settings),
        units=(
            File(f"{UNITS}/{UNIT.format('')}", files.text("livekit/livekit-server@.service.j2", livekit=settings)),
            *reboot_guard.Guard(settings.config_root).files,
        ),
        question=occupancy.question(settings, draining=True),
        words=lambda lines: tuple(occupancy.words(each) for each in occupancy.parse(lines, settings).values()),
        total=lambda lines: sum(each.participants or 0 for each in occupancy.parse(lines, settings).values()),
    )


def prepare(settings: Settings, accept: Collection[str] = (), *, accept_skip: bool = False) -> None:
    """Bring the program and the generation to the host; nothing that runs is touched.

    ``accept`` names generations that may be deployed although they were rolled back; ``accept_skip``
    permits a version that must not follow the one that runs.
    """
    ready, calls = component(settings).prepared(), vantage(settings)

    def plan(seen: HostState) -> Plan:
        todo = ready.plan(seen, accept=accept, accept_skip=accept_skip)
        calling = on_host.actions(calls.root, seen, wanted=calls.on_hosts)
        return replace(todo, actions=(*todo.actions, *calling))

    asked = ready.needs | on_host.needs(calls.root, wanted=calls.on_hosts)
    in_parallel(Task("livekit", asked, plan), "livekit-server: release and generation")


def activate(settings: Settings) -> Task:
    """Have the active slot run the wanted generation: start beside, prove, hand over, drain."""
    return component(settings).activate()


def call_check(settings: Settings) -> Callable[[Host], str]:
    """What tells whether a call gets through the slot that serves on a host, see :func:`proof.through_active`."""
    return partial(through_active, settings=settings)
