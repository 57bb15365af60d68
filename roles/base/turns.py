"""What a deploy does about packages, users and time."""

from __future__ import annotations

from livekit_metal.roles.base import tasks
from livekit_metal.roles.base.settings import Settings
from livekit_metal.runtime.run.turns import Run


def prepare(run: Run) -> None:
    tasks.prepare(run.the(Settings), run.site.opened)
