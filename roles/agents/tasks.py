"""A fleet of agents: prepare brings release and generation to the host, activate moves new jobs to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import cast

from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.errors import Problem
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.agents import generation
from livekit_metal.roles.agents.bring import bring
from livekit_metal.roles.agents.build import Bundle, bundle
from livekit_metal.roles.agents.generation import View
from livekit_metal.roles.agents.proof import Proof
from livekit_metal.roles.agents.settings import Fleet
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.generations.slot_files import SlotView
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.slots.daemon import DesiredGeneration, SlottedDaemon
from livekit_metal.runtime.slots.switchover import Switchover

_OCCUPANCY = shell.program(__file__, "occupancy")
_END = Duration(60)  # s after the deadline of a drain: callbacks of the jobs that were left


class Agents(SlottedDaemon[Fleet]):
    """A new worker is proved by a job before any other one can reach it."""

    title, unit_noun, ask, proof, view = "agents", "jobs", _OCCUPANCY, Proof, View
    template = "livekit-agents@.service.j2"

    def missing(self) -> Problem | None:
        if not (lacks := self.settings.lacks):
            return None
        remedy = f"store it: python -m procedures.secrets INVENTORY set {lacks[0]}"
        return Problem(f"{self.settings.path}.secrets", f"{', '.join(lacks)} is not among the secrets", remedy)

    def shared_files(self, view: SlotView[Fleet]) -> Iterable[File]:
        return generation.shared_files(view)

    def slot_files(self, view: SlotView[Fleet]) -> Iterable[File]:
        return generation.slot_files(view)

    def switchover(self) -> Switchover:
        # LiveKit gives jobs to whom it knows: nothing stands in front
        return replace(super().switchover(), flip='write "$component $slot"', grace=_END)

    def desired(self) -> DesiredGeneration:
        if missing := self.missing():
            raise PyinfraError(f"nothing was changed\n{missing}")
        made = bundle(self.settings)
        return made, *self.generation(f"{self.settings.releases}/{made.version}-{made.identity[:12]}")

    def bringing(self, artifact: Artifact, release: str) -> Callable[[Host], object]:
        return partial(bring, bundle=cast(Bundle, artifact), directory=release)


DAEMON = Agents
