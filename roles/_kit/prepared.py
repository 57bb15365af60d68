"""Brings what a daemon in slots is to run to a host: program, generation, units. Nothing that runs is touched."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import click
from pyinfra.api.exceptions import PyinfraError

from roles._kit import artifact, files, guard, jump
from roles._kit.artifact import Artifact
from roles._kit.files import File
from roles._kit.generation import Generation
from roles._kit.look import Needs, Seen
from roles._kit.plan import Step, Todo
from roles._kit.release import bring
from roles._kit.slotted import Daemon
from stack import releases
from stack.errors import Problem, SiteError


def fetched(release: releases.Release, arch: str, lock: str, missing: Problem | None = None) -> Artifact:
    """The program of ``release``; ``missing`` is what the site lacks besides. Raises PyinfraError, shown as it is."""
    try:
        if missing:
            raise SiteError([missing])
        return _fetched(release, arch, lock)
    except SiteError as error:  # pyinfra shows its own errors without a traceback
        raise PyinfraError(f"nothing was changed\n{error}") from error


@cache
def _fetched(release: releases.Release, arch: str, lock: str) -> Artifact:
    say = partial(click.echo, err=True)  # standard output may be pyinfra's --json
    return artifact.fetch(release, arch, lock=Path(lock) if lock else None, progress=say)


def directory(release_root: str, program: str, found: Artifact) -> str:
    """Where the program is on hosts."""
    return f"{release_root}/{program}/{found.version}-{found.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What ``daemon`` is to run: ``program`` names the file in the release as well as the component of its versions.

    ``files`` are those of the generation and the units.
    """

    daemon: Daemon
    program: str
    artifact: Artifact
    wanted: Generation
    files: tuple[File, ...]

    @property
    def needs(self) -> Needs:
        return files.needs(self.files) | self.daemon.needs | guard.NEEDS

    def plan(self, seen: Seen, *, accept: Collection[str], accept_skip: bool) -> Todo:
        """Refuses here, before any host is changed, what cannot be activated; see ``History`` and ``jump``.

        ``accept`` names generations that may be deployed although they were rolled back.
        """
        steps: list[Step] = [*self.daemon.history.acceptance(self.wanted.name, seen, accept)]
        self.daemon.decision(self.wanted, seen)
        notes = jump.allowed(self.program, self.daemon, self.wanted, seen, accept=accept_skip)
        if self.wanted.release not in seen.probes[f"{self.daemon.component}.releases"]:
            send = partial(bring, artifact=self.artifact, directory=self.wanted.release, program=self.program)
            steps.append(Step(f"push {self.program} {self.wanted.release.rsplit('/', 1)[-1]}", send))
        steps += files.bundle(self.files, seen)
        return Todo(tuple(steps), notes=notes)
