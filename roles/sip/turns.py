"""What a deploy does about livekit-sip."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.sip import telephony
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.roles.sip.tasks import Sip
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run
from livekit_metal.runtime.slots.turns import turns

prepare, _slots = turns(Sip, Settings)


def services(run: Run) -> Iterator[Task]:
    yield from _slots(run)
    if run.the(Settings).reconciles:
        yield telephony.reconcile(run.the(Settings))
