"""livekit-server: prepare brings release and generation to the host, activate moves new sessions to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from roles._kit import files, jump, runner
from roles._kit.artifact import Artifact, fetch
from roles._kit.change import sh
from roles._kit.files import File
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Step, Todo
from roles._kit.release import push
from roles._kit.service import UNITS
from roles._kit.slot import Change
from roles._kit.slotted import Daemon, Generation
from roles._kit.stage import stage
from roles.livekit import occupancy
from roles.livekit.generation import make, root
from roles.livekit.proof import UNJOINED, Proof, through_active, vantage
from roles.livekit.settings import GUARD, PROGRAM, UNIT, Settings
from stack import releases
from stack.errors import Problem, SiteError


def _say(text: str) -> None:
    click.echo(text, err=True)  # standard output may be pyinfra's --json


@cache
def _fetch(release: releases.Release, arch: str, lock: str) -> Artifact:
    return fetch(release, arch, lock=Path(lock) if lock else None, progress=_say)


def desired(settings: Settings) -> tuple[Artifact, Generation, tuple[File, ...]]:
    """What the site asks for: the program, and the generation with its files."""
    try:
        if settings.redis.lacks_password:
            remedy = "store it: python -m procedures.secrets INVENTORY set redis-external"
            raise SiteError([Problem("redis.external.password", "is not among the secrets", remedy)])
        artifact = _fetch(settings.wanted(), settings.arch, settings.lock_file)
    except SiteError as error:  # pyinfra shows its own errors without a traceback
        raise PyinfraError(f"nothing was changed\n{error}") from error
    release = f"{settings.release_root}/{PROGRAM}/{artifact.version}-{artifact.sha256[:12]}"
    return artifact, *make(settings, release)


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
        File(f"{UNITS}/{GUARD}", files.text("livekit/livekit-drain-guard.service.j2", livekit=settings)),
    )

    def plan(seen: Seen) -> Todo:
        # refused here, before any host is changed
        steps: list[Step] = [*server.history.acceptance(wanted.name, seen, accept.split(","))]
        server.decision(wanted, seen)
        notes = jump.allowed(PROGRAM, server, wanted, seen, accept=accept_jump)
        if wanted.release not in seen.probes["livekit.releases"]:
            send = partial(
                push, artifact=artifact.path, directory=wanted.release, program=PROGRAM, sha256=artifact.sha256
            )
            steps.append(Step(f"push {PROGRAM} {wanted.release.rsplit('/', 1)[-1]}", send))
        steps += files.bundle((*generation_files, *units), seen)
        steps += runner.steps(calls.root, seen, wanted=calls.on_hosts)
        return Todo(tuple(steps), notes=notes)

    asked = files.needs((*generation_files, *units)) | needs(server) | runner.needs(calls.root, wanted=calls.on_hosts)
    stage(Part("livekit", asked, plan), "livekit-server: release and generation")


def needs(server: Daemon) -> Needs:
    """What must be seen before slots change places."""
    return server.needs | Needs(units=frozenset({GUARD}))


def activate(settings: Settings) -> Part:
    """Have the active slot run the wanted generation: start beside, prove, hand over, drain."""
    _, wanted, _ = desired(settings)
    server = daemon(settings, wanted)

    def plan(seen: Seen) -> Todo:
        todo = server.plan(wanted, seen)
        return Todo((*guard(seen), *todo.steps), todo.summary, todo.notes, todo.undo)

    return Part("livekit", needs(server) | draining(settings), plan, partial(drains, settings=settings))


def draining(settings: Settings) -> Needs:
    """The question what still drains."""
    return Needs(probes=(occupancy.probe(settings, draining=True),))


def drains(seen: Seen, settings: Settings) -> tuple[str, ...]:
    """What still drains, for the last table."""
    found = occupancy.parse(seen.probes[occupancy.NAME], settings)
    return tuple(occupancy.words(each) for each in found.values() if each.state is occupancy.State.DRAINING)


def proves(settings: Settings) -> Callable[[Host], str]:
    """What tells whether a call gets through the slot that serves on a host, see :func:`proof.through_active`."""
    return partial(through_active, settings=settings)


def guard(seen: Seen) -> tuple[Step, ...]:
    """What bounds a reboot, before anything can drain."""
    if (seen.unit(GUARD, "ActiveState"), seen.unit(GUARD, "UnitFileState")) == ("active", "enabled"):
        return ()
    enable = "systemctl daemon-reload; systemctl -q enable --now $1"
    return (Step("guard reboots", lambda host: sh(host, enable, GUARD)),)
