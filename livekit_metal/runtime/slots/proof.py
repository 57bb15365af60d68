"""What a slot of a daemon must show before sessions may reach it; each role says what that is for its daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from pyinfra.api.host import Host

from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.site.slotted_settings import SlottedSettings

S = TypeVar("S", bound=SlottedSettings)


@dataclass(frozen=True, slots=True)
class Proof(Generic[S]):
    """The hooks of a :class:`SlottedService` for one generation; all raise HostError."""

    settings: S
    generation: Generation

    proves_alone: ClassVar[bool] = False  # whether there is a process that no session can reach

    def check(self, host: Host, slot: str) -> None:
        """What can be seen before anything starts: that the program runs here, and takes its configuration."""
        raise NotImplementedError

    def alone(self, host: Host, slot: str) -> None:
        """A process that no session can reach works."""
        raise NotImplementedError

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """A process that sessions can reach works.

        ``fresh``: it was started just now, so a restart by systemd means that it cannot start.
        """
        raise NotImplementedError

    @property
    def program(self) -> str:
        return f"{self.generation.release}/{self.settings.program}"

    def unit(self, slot: str) -> str:
        return self.settings.unit.format(slot)

    def port(self, name: str, slot: str) -> str:
        return str(self.settings.part(name, slot).first)
