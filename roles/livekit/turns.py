"""What a deploy does about livekit-server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pyinfra.api.host import Host

from livekit_metal.roles.livekit import tasks
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def prepare(run: Run) -> None:
    tasks.prepare(run.the(Settings), accept=run.given.accept, accept_skip=run.given.version_skip)


def services(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings))


def call_check(run: Run) -> Callable[[Host], str]:
    return tasks.call_check(run.the(Settings))
