"""What a deploy does about the kernel."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.kernel import tasks
from livekit_metal.roles.kernel.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def foundation(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings))
