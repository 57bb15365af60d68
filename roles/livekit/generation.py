"""Generations: immutable directories on a host, named by the hash of all that a slot would run.

A generation holds the configuration of every slot, the keys, and each slot's drop-in (program, limits, sandbox). Its
files are written once and never changed, so nothing a running slot reads can change under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roles._kit.files import File, digest, text
from roles.livekit.settings import USER, Settings
from stack.secret import Secret

_NAMELESS = "@"  # stands for the name while the name is being made


@dataclass(frozen=True, slots=True)
class Release:
    """The program on the host."""

    name: str  # "1.13.7-0123456789ab"
    directory: str
    program: str


@dataclass(frozen=True, slots=True)
class Generation:
    name: str
    directory: str
    release: Release
    files: tuple[File, ...]

    def drop_in(self, slot: str) -> str:
        """Path of the drop-in that makes ``slot`` run this generation."""
        return f"{self.directory}/slot-{slot}.conf"


@dataclass(frozen=True, slots=True)
class _View:
    """What the templates see: one slot of one generation."""

    generation: str
    directory: str
    slot: str
    program: str
    release_name: str
    config: dict[str, Any]
    api_keys: Mapping[str, Secret]
    redis: Any


def root(settings: Settings) -> str:
    """Where the generations of a host are."""
    return f"{settings.config_root}/livekit"


def make(settings: Settings, release: Release) -> Generation:
    """The generation that ``settings`` with ``release`` amounts to."""
    name = digest(_files(settings, release, _NAMELESS))
    return Generation(name, f"{root(settings)}/{name}", release, _files(settings, release, name))


def _files(settings: Settings, release: Release, name: str) -> tuple[File, ...]:
    directory = f"{root(settings)}/{name}"

    def view(slot: str) -> _View:
        return _View(
            generation=name,
            directory=directory,
            slot=slot,
            program=release.program,
            release_name=release.name,
            config=settings.config(slot),
            api_keys=settings.api_keys,
            redis=settings.redis,
        )

    any_slot = view(settings.slots[0])
    # livekit-server refuses a keys file that others may read (mode & 007); it reads it as its own user
    files = [
        File(
            f"{directory}/keys.yaml",
            text("livekit/keys.yaml.j2", livekit=any_slot),
            "640",
            group=USER,
            secret=True,
        ),
        File(f"{directory}/environment", text("livekit/environment.j2", livekit=any_slot), "600", secret=True),
        File(f"{directory}/release", f"{release.directory}\n"),
        File(f"{directory}/ports", text("livekit/ports.j2", livekit=settings)),
    ]
    for slot in settings.slots:
        # rare options may be secrets of their own: not for other users, and with them not for --diff
        config = text("livekit/livekit.yaml.j2", livekit=view(slot))
        files.append(File(f"{directory}/{slot}.yaml", config, "640", group=USER, secret=bool(settings.extra)))
        files.append(File(f"{directory}/slot-{slot}.conf", text("livekit/slot.conf.j2", livekit=view(slot))))
    return tuple(files)
