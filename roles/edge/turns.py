"""What a deploy does about the edge."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.edge import tasks
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def services(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings), cut=run.given.edge)
