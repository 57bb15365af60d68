"""What a deploy does about preflight."""

from __future__ import annotations

from livekit_metal.roles.preflight import tasks
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.run.turns import Run, modules


def prepare(run: Run) -> None:
    tasks.prepare(
        run.the(Settings), run.site.opened, older_secrets=run.given.secrets, others=[*modules(run.stack, "preflight")]
    )
