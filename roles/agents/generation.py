"""What the templates of a fleet see besides, and the files of its generations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit_metal.core.slots.decision import ISOLATED_SUFFIX
from livekit_metal.roles.agents.settings import Fleet
from livekit_metal.runtime.generations.slot_files import SlotView
from livekit_metal.runtime.host.files import File

_ON_HOST = Path(__file__).parent / "on_host"
# What a fleet might call a module of its own too has a name that it would not: these come first.
LAUNCHER = {
    "python": ("launcher.py", "told.py", "again.py", "lkm_rooms.py", "lkm_logs.py"),
    "node": ("launcher.mjs", "told.mjs", "again.mjs"),
}  # its files; the first one is started


def deployment(generation: str, slot: str) -> str:
    """What the dispatch of a proof names: a worker that is registered under this gets no other one."""
    return f"proof-{generation}-{slot}"


@dataclass(frozen=True, slots=True)
class View(SlotView[Fleet]):
    """One slot of one generation; ``alone``: registered where only a proof looks for it."""

    alone: bool = False

    @property
    def stamp(self) -> str:
        return f"{self.generation}{ISOLATED_SUFFIX}" if self.alone else self.generation

    @property
    def suffix(self) -> str:
        return "-alone" if self.alone else ""

    @property
    def config_file(self) -> str:
        return f"{self.directory}/{self.slot}{self.suffix}.yaml"

    @property
    def node(self) -> bool:
        return bool(self.settings.source.node)

    @property
    def python_path(self) -> str:
        return f"{self.release}/code:{self.release}/site"

    @property
    def values(self) -> dict[str, Any]:
        """The configuration, in JSON's types."""
        own = self.settings.config(self.slot)
        return own | (
            {"deployment": deployment(self.generation, self.slot), "num_idle_processes": 0} if self.alone else {}
        )

    @property
    def drop_in(self) -> File:
        return File(f"{self.directory}/slot-{self.slot}{self.suffix}.conf", self.render("slot.conf.j2"))


def shared_files(view: SlotView[Fleet]) -> Iterable[File]:
    """What the slots of a generation share."""
    yield view.ports
    for name in LAUNCHER[view.settings.source.language]:
        yield File(f"{view.directory}/{name}", (_ON_HOST / name).read_text())


def slot_files(view: SlotView[Fleet]) -> Iterable[File]:
    """What each slot has: to serve, and to be proved alone."""
    for alone in (False, True):
        each = View(**{f.name: getattr(view, f.name) for f in dataclasses.fields(SlotView)}, alone=alone)
        yield each.config()
        yield each.drop_in
