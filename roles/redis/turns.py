"""What a deploy does about Redis."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.redis import tasks
from livekit_metal.roles.redis.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def foundation_first(run: Run) -> Iterator[Task]:
    yield tasks.retire(run.the(Settings))  # before the firewall closes the previous port


def foundation(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings))
