"""What a deploy does about certificates by ACME."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.acme import tasks
from livekit_metal.roles.acme.settings import Settings
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def prepare(run: Run) -> None:
    tasks.prepare(run.the(Settings))


def services_first(run: Run) -> Iterator[Task]:
    if (settings := run.the(Settings)).wanted:
        yield tasks.activate(settings)


def services_last(run: Run) -> Iterator[Task]:
    if not (settings := run.the(Settings)).wanted:
        yield tasks.retire(settings)


def certificates(run: Run) -> Iterator[Task]:
    # when every edge stands: the CA may ask any of them about the certificate of each
    if (settings := run.the(Settings)).wanted:
        yield tasks.obtain(settings)
