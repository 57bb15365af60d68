"""egress: prepare brings release and generation to the host, activate moves new recordings to them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from roles._kit import files, guard, prepared
from roles._kit.artifact import Artifact
from roles._kit.files import File
from roles._kit.generation import Generation
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Step, Todo
from roles._kit.service import UNITS
from roles._kit.slot import Change
from roles._kit.slotted import Daemon
from roles._kit.stage import stage
from roles.egress import occupancy, store
from roles.egress.generation import make, root
from roles.egress.proof import Proof
from roles.egress.settings import PROGRAM, UNIT, Settings
from stack.errors import Problem

# At the deadline of a drain: what the slot's own generation has for that.
_FINISH = """exec /bin/sh "$(dirname "$(readlink "/etc/systemd/system/$unit.d/50-generation.conf")")/end.sh" "$unit\""""


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    missing = None
    if settings.redis.lacks_password:
        remedy = "store it: python -m procedures.secrets INVENTORY set redis-external"
        missing = Problem("redis.external.password", "is not among the secrets", remedy)
    if (name := settings.storage.wants) and settings.storage_secret is None:
        remedy = f"store it: python -m procedures.secrets INVENTORY set {name}"
        missing = Problem(f"egress.storage.{settings.storage.kind}", f"{name} is not among the secrets", remedy)
    artifact = prepared.fetched(settings.wanted(), settings.arch, settings.lock_file, missing)
    return artifact, *make(settings, prepared.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings) -> Daemon:
    """egress in its slots."""
    proof, drain = Proof(settings), settings.drain
    return Daemon(
        component=PROGRAM,
        unit=UNIT,
        slots=settings.slots,
        root=root(settings),
        releases=f"{settings.release_root}/{PROGRAM}",
        change=Change(
            component=PROGRAM,
            unit=UNIT,
            active=settings.active,
            deadline=drain.deadline,
            flip='write "$component $slot"\n',
            finish=_FINISH,
            grace=drain.finalise,
        ),
        check=proof.check,
        alone=None,  # without Redis it does not start
        ready=proof.ready,
    )


def prepare(settings: Settings, accept: str = "", *, accept_jump: bool = False) -> None:
    """Bring the program and the generation to the host; nothing that runs is touched.

    A store that does not take files is refused here, before any host is changed. ``accept`` and ``accept_jump`` as for
    livekit-server.
    """
    artifact, wanted, generation_files = desired(settings)
    server = daemon(settings)
    unit = File(f"{UNITS}/{UNIT.format('')}", files.text("egress/livekit-egress@.service.j2", egress=settings))
    everything = (*generation_files, unit, *guard.Guard(settings.config_root).files)
    ready = prepared.Prepared(server, PROGRAM, artifact, wanted, everything)
    prove = Step("the store takes, gives and deletes an object", partial(store.prove, settings=settings))

    def plan(seen: Seen) -> Todo:
        todo = ready.plan(seen, accept=accept.split(","), accept_jump=accept_jump)
        if not settings.storage.kind or server.serving(seen) == wanted.name:
            return todo
        return replace(todo, steps=(prove, *todo.steps))

    stage(Part(PROGRAM, ready.needs, plan), "egress: release and generation")


def needs(settings: Settings) -> Needs:
    """What must be seen before slots change places."""
    return daemon(settings).needs | guard.NEEDS | occupancy.needs(settings)


def activate(settings: Settings) -> Part:
    """Have the active slot run the wanted generation: start beside, prove, hand over, drain."""
    _, wanted, _ = desired(settings)
    server = daemon(settings)

    def plan(seen: Seen) -> Todo:
        todo = server.plan(wanted, seen)
        return replace(todo, steps=(*guard.step(seen), *todo.steps))

    return Part(PROGRAM, needs(settings), plan, lambda seen: tuple(occupancy.notes(settings, seen)))


def deliver(settings: Settings) -> None:
    """Move files whose upload failed to the store, on the host in context."""

    def plan(seen: Seen) -> Todo:
        if not settings.storage.kind:
            return Todo(notes=(f"no store: files stay on the host, in {settings.state}/files",))
        if not (waiting := occupancy.waiting(seen)):
            return Todo(notes=("nothing waits to be delivered",))
        send = partial(store.deliver, settings=settings)
        return Todo((Step(f"deliver {waiting} files to the store", send),))

    stage(Part(PROGRAM, occupancy.needs(settings), plan), "Deliver recordings")
