"""What a deploy does about livekit-server."""

from __future__ import annotations

from collections.abc import Callable

from pyinfra.api.host import Host

from livekit_metal.roles.livekit import tasks
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.run.turns import Run
from livekit_metal.runtime.slots.turns import turns

prepare, services = turns(tasks.Livekit, Settings)


def call_check(run: Run) -> Callable[[Host], str]:
    return tasks.call_check(run.the(Settings))
