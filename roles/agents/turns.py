"""What a deploy does about agents."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.context import ctx_host

from livekit_metal.roles.agents.former import former
from livekit_metal.roles.agents.settings import Settings
from livekit_metal.roles.agents.tasks import Agents
from livekit_metal.runtime.run.task import DeferredTask, Task
from livekit_metal.runtime.run.turns import Run
from livekit_metal.site.slotted import told


def prepare(run: Run) -> None:
    """Release and generation of each fleet come."""
    for each in ctx_host.get().loop(run.the(Settings).daemons):
        Agents(each).prepare(run.given.accept, accept_skip=run.given.version_skip)


def services_last(run: Run) -> Iterator[Task | DeferredTask]:
    """The slot of each fleet that serves gets them: after livekit-server, so that workers connect to the new one.

    Fleets that the inventory no longer has here end.
    """
    fleets = run.the(Settings).daemons
    for each in fleets:
        yield Agents(each).activate()
    yield former([each.name for each in fleets], told(run.site, run.stack.host))
