"""What a deploy does about Grafana."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.grafana import tasks
from livekit_metal.roles.grafana.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def services_last(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings))
