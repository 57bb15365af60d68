"""livekit-server: prepare brings release and generation to the host, activate moves new sessions to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pyinfra.api.host import Host

from roles._kit import files, guard, prepared, runner
from roles._kit.artifact import Artifact
from roles._kit.files import File
from roles._kit.generation import Generation
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Todo
from roles._kit.service import UNITS
from roles._kit.slot import Change
from roles._kit.slotted import Daemon
from roles._kit.stage import stage
from roles.livekit import occupancy
from roles.livekit.generation import make, root
from roles.livekit.proof import UNJOINED, Proof, through_active, vantage
from roles.livekit.settings import PROGRAM, UNIT, Settings
from stack.errors import Problem


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = None
    if settings.redis.lacks_password:
        remedy = "store it: python -m procedures.secrets INVENTORY set redis-external"
        missing = Problem("redis.external.password", "is not among the secrets", remedy)
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
    )


def prepare(settings: Settings, accept: str = "", *, accept_jump: bool = False) -> None:
    """Bring the program and the generation to the host; nothing that runs is touched.

    ``accept`` names generations (with commas) that may be deployed although they were rolled back; ``accept_jump``
    permits a version that must not follow the one that runs.
    """
    artifact, wanted, generation_files = desired(settings)
    server, calls = daemon(settings, wanted), vantage(settings)
    units = (
        File(f"{UNITS}/{UNIT.format('')}", files.text("livekit/livekit-server@.service.j2", livekit=settings)),
        *guard.Guard(settings.config_root).files,
    )
    ready = prepared.Prepared(server, PROGRAM, artifact, wanted, (*generation_files, *units))

    def plan(seen: Seen) -> Todo:
        todo = ready.plan(seen, accept=accept.split(","), accept_jump=accept_jump)
        calling = runner.steps(calls.root, seen, wanted=calls.on_hosts)
        return replace(todo, steps=(*todo.steps, *calling))

    asked = ready.needs | runner.needs(calls.root, wanted=calls.on_hosts)
    stage(Part("livekit", asked, plan), "livekit-server: release and generation")


def needs(server: Daemon) -> Needs:
    """What must be seen before slots change places."""
    return server.needs | guard.NEEDS


def activate(settings: Settings) -> Part:
    """Have the active slot run the wanted generation: start beside, prove, hand over, drain."""
    _, wanted, _ = desired(settings)
    server = daemon(settings, wanted)

    def plan(seen: Seen) -> Todo:
        todo = server.plan(wanted, seen)
        return Todo((*guard.step(seen), *todo.steps), todo.summary, todo.notes, todo.undo)

    return Part("livekit", needs(server) | draining(settings), plan, partial(drains, settings=settings))


def draining(settings: Settings) -> Needs:
    """The question what still drains."""
    return occupancy.question(settings, draining=True).needs


def drains(seen: Seen, settings: Settings) -> tuple[str, ...]:
    """What still drains, for the last table."""
    found = occupancy.parse(seen.probes[occupancy.question(settings).name], settings)
    return tuple(occupancy.words(each) for each in found.values() if each.state is occupancy.State.DRAINING)


def proves(settings: Settings) -> Callable[[Host], str]:
    """What tells whether a call gets through the slot that serves on a host, see :func:`proof.through_active`."""
    return partial(through_active, settings=settings)
