"""What the templates of egress see besides, and where the program finds itself."""

from __future__ import annotations

from dataclasses import dataclass

from livekit_metal.roles.egress.settings import Settings
from livekit_metal.runtime.artifacts.push import TREE
from livekit_metal.runtime.generations.slot_files import SlotView


@dataclass(frozen=True, slots=True)
class View(SlotView[Settings]):
    """One slot of one generation."""

    @property
    def tree(self) -> str:
        """The root directory that an image was unpacked to; '' for a program of the host."""
        return f"{self.release}/{TREE}" if self.settings.source == "image" else ""

    @property
    def program(self) -> str:
        """Where it is for the process itself."""
        return "/bin/egress" if self.tree else f"{self.release}/{self.settings.program}"

    @property
    def path(self) -> str:
        """PATH: it starts itself again for every recording, by its name; with it the browser (/chrome on arm64)."""
        if self.tree:
            return "/usr/local/bin:/usr/bin:/bin:/chrome"
        ours = (f"{self.directory}/bin",) if self.settings.debian else ()  # they start Debian's chromium and Xvfb
        return ":".join((self.release, *ours, "/usr/bin", "/bin"))
