"""lk: prepare brings the program, activate puts the command, its context and its completion in place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.lk import context
from livekit_metal.roles.lk.settings import COMMAND, COMPLETIONS, PROGRAM, Settings
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.artifacts.push import bring
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import HostError, read, run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots import staging

PROJECT = "livekit-metal"  # its name on hosts, where there is no other
_OTHERS = "lk.others"
_CLEAN = shell.program(__file__, "clean")


@dataclass(frozen=True, slots=True)
class _Command:
    """What lk.sh sees."""

    program: str
    home: str
    context: str


def stage(settings: Settings) -> Task:
    """Have the program on the host. May fetch it. Raises PyinfraError."""
    artifact = _artifact(settings)
    where = staging.directory(settings.release_root, PROGRAM, artifact)

    def plan(seen: HostState) -> Plan:
        if seen.files.get(f"{where}/{PROGRAM}") == artifact.sha256:
            return Plan()
        push = partial(bring, artifact=artifact, directory=where, program=PROGRAM)
        return Plan((Action(f"push {PROGRAM} {where.rpartition('/')[2]}", push),))

    return Task(PROGRAM, StateQuery(files=frozenset({f"{where}/{PROGRAM}"})), plan)


def activate(settings: Settings) -> Task:
    """Have the command that people use, which knows the site when root runs it."""
    where = staging.directory(settings.release_root, PROGRAM, _artifact(settings))
    wanted = wanted_files(settings, where)
    others = shell.given('ls -1 "$1" 2>/dev/null | grep -vxF "${2##*/}" || :', settings.releases, where)

    def plan(seen: HostState) -> Plan:
        steps = files.bundle(wanted, seen)
        if steps:
            steps += (Action(f"{PROGRAM} runs", _runs),)
        if left := seen.answers.get(_OTHERS):
            steps += (Action(f"remove {', '.join(left)}", partial(_clean, settings=settings, where=where)),)
        return Plan(steps, where.rpartition("/")[2] if steps else "")

    return Task(PROGRAM, files.needs(wanted) | StateQuery(queries=((_OTHERS, others),)), plan)


def wanted_files(settings: Settings, where: str) -> tuple[File, ...]:
    """Command, completion and context, for the program in the directory ``where``."""
    key, secret = next(iter(settings.api_keys.items()))
    said = context.document(PROJECT, settings.ws_url, key, secret.reveal())
    command = files.text("lk/lk.sh.j2", lk=_Command(f"{where}/{PROGRAM}", settings.home, settings.context))
    return (
        File(COMMAND, command, "755"),
        File(f"{COMPLETIONS}/{PROGRAM}", files.text("lk/lk.bash.j2", lk=settings)),
        File(settings.context, said, "600", secret=True),
    )


def _artifact(settings: Settings) -> Artifact:
    return staging.fetched(settings.release_spec(), settings.arch, settings.lock_file)


def _runs(host: Host) -> None:
    try:
        read(host, '"$1" --version', COMMAND)
    except HostError as error:
        raise HostError(f"{COMMAND} does not run here: {error}; is the build for this architecture?") from error


def _clean(host: Host, settings: Settings, where: str) -> None:
    run(host, _CLEAN, settings.releases, where.rpartition("/")[2])
