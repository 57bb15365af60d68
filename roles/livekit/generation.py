"""What the templates of livekit-server see besides, and the files of its generations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from livekit_metal.core.slots.decision import CLIENT_SOURCE_ADDRESS, ISOLATED_SUFFIX
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.generations.slot_files import SlotView
from livekit_metal.runtime.host.files import File, text


@dataclass(frozen=True, slots=True)
class View(SlotView[Settings]):
    """One slot of one generation; ``alone``: without Redis no other node knows of it, and no room can land on it."""

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
    def values(self) -> dict[str, Any]:
        config = self.settings.config(self.slot)
        return {key: value for key, value in config.items() if key != "redis" or not self.alone}

    @property
    def drop_in(self) -> File:
        return File(f"{self.directory}/slot-{self.slot}{self.suffix}.conf", self.render("slot.conf.j2"))

    @property
    def signal(self) -> int:
        return self.settings.part("signal", self.slot).first

    @property
    def awaited(self) -> str:
        """Where HAProxy comes from."""
        return CLIENT_SOURCE_ADDRESS


def keys_file(settings: Settings) -> str:
    """What is in keys.yaml of a generation."""
    return text("livekit/keys.yaml.j2", livekit=settings)


def shared_files(view: SlotView[Settings]) -> Iterable[File]:
    """What the slots of a generation share."""
    settings, directory = view.settings, view.directory
    # livekit-server refuses a keys file that others may read (mode & 007); it reads it as its own user
    yield File(f"{directory}/keys.yaml", keys_file(settings), "640", group=settings.user, secret=True)
    yield File(f"{directory}/environment", text("livekit/environment.j2", livekit=settings), "600", secret=True)
    yield File(f"{directory}/hold.sh", view.render("hold.sh.j2"))
    yield view.ports


def slot_files(view: SlotView[Settings]) -> Iterable[File]:
    """What each slot has: to serve, and to be proved alone."""
    for alone in (False, True):
        each = View(**{f.name: getattr(view, f.name) for f in dataclasses.fields(SlotView)}, alone=alone)
        # rare options may be secrets of their own, and so is a login at TURN: not for other users, nor for --diff
        own = view.settings
        yield each.config(secret=bool(own.extra or own.redis.sentinel_password or own.turn.udp_443))
        yield each.drop_in
