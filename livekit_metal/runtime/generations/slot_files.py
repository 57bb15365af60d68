"""The files of a generation: for each slot its configuration and its drop-in, and what the slots share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from livekit_metal.runtime.host.files import File, text
from livekit_metal.site.slotted_settings import SlottedSettings

S = TypeVar("S", bound=SlottedSettings)


@dataclass(frozen=True, slots=True)
class SlotView(Generic[S]):
    """What a template sees: one slot of one generation."""

    settings: S
    generation: str
    directory: str  # of the generation
    slot: str
    release: str  # directory of the program

    @property
    def release_name(self) -> str:
        return self.release.rsplit("/", 1)[-1]

    @property
    def program(self) -> str:
        return f"{self.release}/{self.settings.program}"

    @property
    def config_file(self) -> str:
        return f"{self.directory}/{self.slot}.yaml"

    @property
    def trust(self) -> str:
        """The directory of the CAs that it trusts besides those of its system."""
        return f"{self.directory}/trust"

    @property
    def stamp(self) -> str:
        """What a process of it carries in its environment: by this it is known what a slot runs."""
        return self.generation

    def render(self, template: str) -> str:
        """A template of the role, which sees this as ``slot``."""
        return text(f"{self.settings.templates}/{template}", slot=self)

    def config(self, *, secret: bool = True) -> File:
        """The configuration, which only the daemon may read; ``secret``: it is not shown as a diff either."""
        config = self.render(f"{self.settings.templates}.yaml.j2")
        return File(self.config_file, config, "640", group=self.settings.user, secret=secret)

    @property
    def drop_in(self) -> File:
        return File(f"{self.directory}/slot-{self.slot}.conf", self.render("slot.conf.j2"))

    @property
    def ports(self) -> File:
        """What slots and ports the generation has: it tells whoever asks it later, or goes back to it."""
        return File(f"{self.directory}/ports", text("runtime/ports.j2", settings=self.settings))
