"""What a deploy does about Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.alertmanager import tasks
from livekit_metal.roles.alertmanager.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def services(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings))
