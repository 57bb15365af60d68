"""ingress: prepare brings release and generation to the host, activate moves new streams to them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from roles._kit import files, guard, hidepid, prepared
from roles._kit.artifact import Artifact
from roles._kit.files import File
from roles._kit.generation import Generation
from roles._kit.look import Seen
from roles._kit.occupancy import State
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
    artifact = prepared.fetched(settings.wanted(), settings.arch, settings.lock_file)
    return artifact, *make(settings, prepared.directory(settings.release_root, PROGRAM, artifact))


def daemon(settings: Settings, generation: Generation) -> Daemon:
    """ingress in its slots, to run ``generation``."""
    proof = Proof(settings, generation)
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
    )


def prepare(settings: Settings, accept: str = "", *, accept_jump: bool = False) -> None:
    """Bring the program and the generation to the host; nothing that runs is touched. See roles.livekit."""
    artifact, wanted, generation_files = desired(settings)
    units = (
        File(f"{UNITS}/{UNIT.format('')}", files.text("ingress/livekit-ingress@.service.j2", ingress=settings)),
        *guard.Guard(settings.config_root).files,
    )
    ready = prepared.Prepared(daemon(settings, wanted), PROGRAM, artifact, wanted, (*generation_files, *units))
    plan = partial(ready.plan, accept=accept.split(","), accept_jump=accept_jump)
    stage(Part(COMPONENT, ready.needs, plan), "ingress: release and generation")


def activate(settings: Settings) -> Part:
    """Have the active slot run the wanted generation: start beside, see that it is ready, hand over, drain."""
    _, wanted, _ = desired(settings)
    streams, hides = daemon(settings, wanted), settings.process_list == "hide"

    def plan(seen: Seen) -> Todo:
        todo = streams.plan(wanted, seen)
        hidden = hidepid.steps(seen) if hides else ()
        return replace(todo, steps=(*hidden, *guard.step(seen), *todo.steps))

    needs = streams.needs | guard.NEEDS | occupancy.question(settings, draining=True).needs
    return Part(COMPONENT, needs | hidepid.needs() if hides else needs, plan, partial(drains, settings=settings))


def drains(seen: Seen, settings: Settings) -> tuple[str, ...]:
    """What still drains, for the last table."""
    question = occupancy.question(settings)
    found = question.sessions(seen.probes[question.name]).values()
    return tuple(each.words(occupancy.NOUN) for each in found if each.state is State.DRAINING)
