"""What a deploy does about Kamailio."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.kamailio import tasks
from livekit_metal.roles.kamailio.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def services(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings))
