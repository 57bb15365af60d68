"""What a deploy does about a daemon in slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.site.slotted_settings import SlottedSettings

S = TypeVar("S", bound=SlottedSettings)


def turns(
    daemon: Callable[[S], SlottedDaemon[S]], settings: type[S]
) -> tuple[Callable[[Run], None], Callable[[Run], Iterator[Task]]]:
    """``prepare`` and ``services`` of the role's ``turns.py``: release and generation come, then the slot that serves
    gets them.
    """

    def of(run: Run) -> SlottedDaemon[S]:
        return run.kept(settings, lambda: daemon(run.the(settings)))

    def prepare(run: Run) -> None:
        of(run).prepare(run.given.accept, accept_skip=run.given.version_skip)

    def services(run: Run) -> Iterator[Task]:
        yield of(run).activate()

    return prepare, services
