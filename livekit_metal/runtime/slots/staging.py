"""Brings what a daemon in slots is to run to a host: program, generation, units. Nothing that runs is touched."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.releases import catalogue
from livekit_metal.runtime.artifacts import fetch
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.artifacts.status_line import StatusLine
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action, Plan
from livekit_metal.runtime.slots import reboot_guard, upgrade_guard
from livekit_metal.runtime.slots.slotted_service import SlottedService


def fetched(release: catalogue.Release, arch: str, lock: str, missing: Problem | None = None) -> Artifact:
    """The program of ``release``; ``missing`` is what the site lacks besides. Raises PyinfraError, shown as it is."""
    try:
        if missing:
            raise SiteError([missing])
        return _fetched(release, arch, lock)
    except SiteError as error:  # pyinfra shows its own errors without a traceback
        raise PyinfraError(f"nothing was changed\n{error}") from error


@cache
def _fetched(release: catalogue.Release, arch: str, lock: str) -> Artifact:
    with StatusLine() as say:
        return fetch.fetch(release, arch, lock=Path(lock) if lock else None, progress=say)


def directory(release_root: str, program: str, found: Artifact) -> str:
    """Where the program is on hosts."""
    return f"{release_root}/{program}/{found.version}-{found.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Staging:
    """What ``daemon`` is to run: ``program`` names the file in the release as well as the component of its versions.

    ``bring`` has the release on the host; ``files`` are those of the generation and the units.
    """

    daemon: SlottedService
    program: str
    bring: Callable[[Host], object]
    wanted: Generation
    files: tuple[File, ...]

    @property
    def needs(self) -> StateQuery:
        return files.needs(self.files) | self.daemon.needs | reboot_guard.NEEDS

    def plan(self, seen: HostState, *, accept: Collection[str], accept_skip: bool) -> Plan:
        """Refuses here, before any host is changed, what cannot be activated; see ``History`` and ``jump``.

        ``accept`` names generations that may be deployed although they were rolled back.
        """
        steps: list[Action] = [*self.daemon.history.acceptance(self.wanted.name, seen, accept)]
        self.daemon.decision(self.wanted, seen)
        notes = upgrade_guard.allowed(self.program, self.daemon, self.wanted, seen, accept=accept_skip)
        if self.wanted.release not in seen.answers[f"{self.daemon.component}.releases"]:
            steps.append(Action(f"push {self.program} {self.wanted.release.rsplit('/', 1)[-1]}", self.bring))
        steps += files.bundle(self.files, seen)
        return Plan(tuple(steps), notes=notes)
