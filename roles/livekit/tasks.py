"""livekit-server: prepare brings release and generation to the host, activate moves new sessions to them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from pyinfra.api.host import Host

from roles._kit import files, guard, prepared, runner
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
from roles.livekit import occupancy
from roles.livekit.generation import make, root
from roles.livekit.proof import UNJOINED, Proof, through_active, vantage
from roles.livekit.settings import PROGRAM, UNIT, Settings


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = settings.redis.missing()
    artifact = prepared.fetched(settings.wanted(), settings.arch, settings.lock_file, missing)
    return artifact, *make(settings, prepared.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings, generation: Generation | None = None) -> Daemon:
    """livekit-server in its slots, to run ``generation`` (None: nothing is to be started)."""
    proof = Proof(settings, generation or Generation("", "", ""))
    drain = settings.drain
    return Daemon(
        component="livekit",
        unit=UNIT,
        slots=settings.slots,
        root=root(settings),
        releases=f"{settings.release_root}/{PROGRAM}",
        change=Change(
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


def component(settings: Settings) -> Component:
    """livekit-server as deploys, rollbacks and maintenance know it."""
    return Component(
        settings=settings,
        of=component,
        role="livekit",
        program=PROGRAM,
        desired=partial(desired, settings),
        daemon=partial(daemon, settings),
        units=(
            File(f"{UNITS}/{UNIT.format('')}", files.text("livekit/livekit-server@.service.j2", livekit=settings)),
            *guard.Guard(settings.config_root).files,
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

    def plan(seen: Seen) -> Todo:
        todo = ready.plan(seen, accept=accept, accept_skip=accept_skip)
        calling = runner.steps(calls.root, seen, wanted=calls.on_hosts)
        return replace(todo, steps=(*todo.steps, *calling))

    asked = ready.needs | runner.needs(calls.root, wanted=calls.on_hosts)
    stage(Part("livekit", asked, plan), "livekit-server: release and generation")


def activate(settings: Settings) -> Part:
    """Have the active slot run the wanted generation: start beside, prove, hand over, drain."""
    return component(settings).activate()


def proves(settings: Settings) -> Callable[[Host], str]:
    """What tells whether a call gets through the slot that serves on a host, see :func:`proof.through_active`."""
    return partial(through_active, settings=settings)
