"""What a deploy does about the firewall."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.firewall import tasks
from livekit_metal.roles.firewall.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def prepare(run: Run) -> None:
    tasks.prepare(run.the(Settings))


def foundation(run: Run) -> Iterator[Task]:
    yield tasks.activate(run.the(Settings), run.call_check())
