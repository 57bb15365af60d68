"""What a deploy does about lk."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.lk import tasks
from livekit_metal.roles.lk.settings import Settings
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def prepare(run: Run) -> None:
    in_parallel(tasks.stage(run.the(Settings)), "lk: the program")


def services_last(run: Run) -> Iterator[Task]:
    """When livekit-server knows the key."""
    yield tasks.activate(run.the(Settings))
