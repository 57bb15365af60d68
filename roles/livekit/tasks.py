"""livekit-server: prepare brings release and generation to the host, activate moves new sessions to them."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from roles._kit import active, files
from roles._kit.artifact import Artifact, fetch
from roles._kit.change import Failed, ask, sh
from roles._kit.files import File
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Step, Todo
from roles._kit.release import push
from roles._kit.service import UNITS
from roles._kit.stage import stage
from roles.livekit import generation, slot
from roles.livekit.generation import Generation, Release
from roles.livekit.settings import GUARD, PROGRAM, UNIT, Settings
from stack import releases
from stack.errors import Problem, SiteError
from stack.slots import Decision, Move, Slot, State, decide, occupants, state

_KEPT = 2  # generations kept beside those in use


def _say(text: str) -> None:
    click.echo(text, err=True)  # standard output may be pyinfra's --json


@cache
def _fetch(release: releases.Release, arch: str, lock: str) -> Artifact:
    return fetch(release, arch, lock=Path(lock) if lock else None, progress=_say)


def _desired(settings: Settings) -> tuple[Artifact, Generation]:
    try:
        if settings.redis.lacks_password:
            remedy = "store it: python -m procedures.secrets INVENTORY set redis-external"
            raise SiteError([Problem("redis.external.password", "is not among the secrets", remedy)])
        artifact = _fetch(settings.wanted(), settings.arch, settings.lock_file)
    except SiteError as error:  # pyinfra shows its own errors without a traceback
        raise PyinfraError(f"nothing was changed\n{error}") from error
    name = f"{artifact.version}-{artifact.sha256[:12]}"
    directory = f"{settings.release_root}/{PROGRAM}/{name}"
    return artifact, generation.make(settings, Release(name, directory, f"{directory}/{PROGRAM}"))


def prepare(settings: Settings) -> None:
    """Bring the program and the generation to the host; nothing that runs is touched."""
    artifact, wanted = _desired(settings)
    units = (
        File(f"{UNITS}/{UNIT.format('')}", files.text("livekit/livekit-server@.service.j2", livekit=settings)),
        File(f"{UNITS}/{GUARD}", files.text("livekit/livekit-drain-guard.service.j2", livekit=settings)),
    )

    def plan(seen: Seen) -> Todo:
        _decision(settings, wanted, seen)  # refused here, before any host is changed
        steps: list[Step] = []
        if wanted.release.directory not in seen.probes["livekit.releases"]:
            send = partial(
                push,
                artifact=artifact.path,
                directory=wanted.release.directory,
                program=PROGRAM,
                sha256=artifact.sha256,
            )
            steps.append(Step(f"push {PROGRAM} {wanted.release.name}", send))
        steps += files.bundle((*wanted.files, *units), seen)
        return Todo(tuple(steps))

    needs = files.needs((*wanted.files, *units)) | _needs(settings)
    stage(Part("livekit", needs, plan), "livekit-server: release and generation")


def _needs(settings: Settings) -> Needs:
    listing = f"cd {generation.root(settings)} && for g in $(ls -1t); do echo $g $(cat $g/release); done"
    return Needs(
        units=frozenset({GUARD, UNIT.format("*"), *(UNIT.format(s) for s in settings.slots)}),
        probes=(
            ("livekit.active", f"sed -n 's/^livekit //p' {settings.active.file}"),
            ("livekit.generations", listing),  # newest first: name, release directory
            ("livekit.releases", f"ls -1d {settings.release_root}/{PROGRAM}/*"),
        ),
    )


def activate(settings: Settings) -> Part:
    """Have the active slot run the wanted generation: start beside, prove, flip, drain."""
    _, wanted = _desired(settings)
    return Part("livekit", _needs(settings), lambda seen: _plan(settings, wanted, seen))


def observed(settings: Settings, seen: Seen) -> tuple[str, dict[str, Slot]]:
    """The active slot's name and what every slot does; one that the site no longer has counts while it runs."""
    before, after = UNIT.split("{}")
    running = [u.removeprefix(before).removesuffix(after) for u in seen.units if u.startswith(before)]
    slots = {}
    for name in dict.fromkeys((*settings.slots, *running)):
        unit = UNIT.format(name)
        slot = Slot(state(seen.unit(unit, "ActiveState")), seen.unit(unit, "Stamp"))
        if name in settings.slots or slot.state is not State.EMPTY:
            slots[name] = slot
    return "".join(seen.probes["livekit.active"][:1]), slots


def _decision(settings: Settings, wanted: Generation, seen: Seen) -> Decision:
    """Raises Failed when a slot is needed and none is empty."""
    current, slots = observed(settings, seen)
    decision = decide(current, slots, wanted.name)
    if decision.move is Move.REFUSE:
        raise Failed(
            f"no slot is empty ({occupants(slots.items())}); wait until one has drained (systemctl status "
            f"'{UNIT.format('*')}'), then run the same command again"
        )
    return decision


def _plan(settings: Settings, wanted: Generation, seen: Seen) -> Todo:
    current, slots = observed(settings, seen)
    decision = _decision(settings, wanted, seen)
    old = slots.get(current)
    steps = [*_serve(settings, wanted, decision), *_drains(settings, decision)]
    if (seen.unit(GUARD, "ActiveState"), seen.unit(GUARD, "UnitFileState")) != ("active", "enabled"):
        steps.insert(
            0, Step("guard reboots", lambda h: sh(h, "systemctl daemon-reload; systemctl -q enable --now $1", GUARD))
        )
    if decision.move is not Move.KEEP or decision.drain:  # what a next run would find to prune is no reason to change
        steps += _prune(settings, wanted, slots, seen)
    summary = f"{wanted.release.name} on slot {decision.slot}"
    if decision.move is not Move.KEEP:
        before = _release_of(old.generation if old else "", seen)
        summary = f"{before} -> {summary}" if before else summary
    # what has served already is given up only while another slot serves
    new = decision.move is Move.START or (decision.move is Move.RESUME and decision.drain)
    undo = partial(_abandon, settings=settings, candidate=decision.slot) if new else None
    return Todo(tuple(steps), summary, undo=undo)


def _serve(settings: Settings, wanted: Generation, decision: Decision) -> list[Step]:
    name, fresh, steps = decision.slot, decision.move is Move.START, []
    if decision.move is Move.START:
        steps.append(Step(f"slot {name}: point to {wanted.name}", lambda h: slot.point(h, wanted, name)))
        steps.append(Step(f"slot {name}: start", lambda h: slot.start(h, name)))
    if decision.move in (Move.START, Move.RESUME):
        steps.append(Step(f"slot {name}: ready", lambda h: slot.ready(h, settings, wanted, name, fresh=fresh)))
        steps.append(
            Step(
                f"slot {name}: new sessions go here",
                lambda h: active.flip(h, settings.active, "livekit", name),
            )
        )
    return steps


def _drains(settings: Settings, decision: Decision) -> list[Step]:
    drain = partial(slot.drain, deadline=settings.drain.deadline)
    return [Step(f"slot {s}: drain", partial(drain, slot=s)) for s in decision.drain]


def _release_of(name: str, seen: Seen) -> str:
    listed = dict(line.split(" ", 1) for line in seen.probes["livekit.generations"] if " " in line)
    return listed.get(name, "").rsplit("/", 1)[-1]


def _prune(settings: Settings, wanted: Generation, slots: dict[str, Slot], seen: Seen) -> tuple[Step, ...]:
    """Remove generations and releases that nothing refers to, but for the newest few."""
    listed = dict(line.split(" ", 1) for line in seen.probes["livekit.generations"] if " " in line)
    used = {wanted.name, *(s.generation for s in slots.values())}
    spare = [g for g in listed if g not in used]
    if any(s.state is not State.EMPTY and not s.generation for s in slots.values()):
        return ()  # a process whose generation cannot be read may refer to any
    gone = spare[_KEPT:]
    kept_releases = {listed[g] for g in listed if g not in gone} | {wanted.release.directory}
    old = [r for r in seen.probes["livekit.releases"] if r not in kept_releases and not r.endswith(".lkm-new")]
    paths = [f"{generation.root(settings)}/{g}" for g in gone] + old
    if not paths:
        return ()
    return (Step(f"prune {len(gone)} generations, {len(old)} releases", lambda h: sh(h, 'rm -rf -- "$@"', *paths)),)


def _abandon(host: Host, settings: Settings, candidate: str) -> None:
    """A candidate failed: drain it (real rooms may have landed on it, so no kill). After the flip: nothing."""
    if ask(host, f"sed -n 's/^livekit //p' {settings.active.file} 2>/dev/null || :").strip() != candidate:
        slot.drain(host, candidate, settings.drain.deadline)
