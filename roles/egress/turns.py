"""What a deploy does about egress."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.egress import tasks
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def prepare(run: Run) -> None:
    tasks.prepare(run.the(Settings), accept=run.given.accept, accept_skip=run.given.version_skip)


def services(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings))
