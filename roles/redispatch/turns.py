"""What a deploy does about the watcher."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.redispatch import tasks
from livekit_metal.roles.redispatch.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def services(run: Run) -> Iterator[Task]:
    own = run.the(Settings)
    if own.wanted:
        yield tasks.activate(own)


def services_last(run: Run) -> Iterator[Task]:
    """When livekit-server has a new slot that tells it nothing any more."""
    own = run.the(Settings)
    if not own.wanted:
        yield tasks.end(own)
