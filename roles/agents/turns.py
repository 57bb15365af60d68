"""What a deploy does about agents."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.context import ctx_host

from livekit_metal.roles.agents.settings import Settings
from livekit_metal.roles.agents.tasks import Agents
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.run.turns import Run


def prepare(run: Run) -> None:
    """Release and generation of each fleet come."""
    for each in ctx_host.get().loop(run.the(Settings).daemons):
        Agents(each).prepare(run.given.accept, accept_skip=run.given.version_skip)


def services_last(run: Run) -> Iterator[Task]:
    """The slot of each fleet that serves gets them: after livekit-server, so that workers connect to the new one."""
    for each in run.the(Settings).daemons:
        yield Agents(each).activate()
