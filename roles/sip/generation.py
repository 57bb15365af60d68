"""The files of a generation of livekit-sip: each slot's configuration, which holds its secrets, and its drop-in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from livekit_metal.core.types.memory import Memory
from livekit_metal.roles.sip.settings import PROGRAM, USER, Settings
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.slots import generation
from livekit_metal.runtime.slots.generation import Generation


@dataclass(frozen=True, slots=True)
class _View:
    """What the templates see: one slot of one generation."""

    generation: str
    directory: str
    slot: str
    program: str
    release_name: str
    config: dict[str, Any]
    config_file: str
    drain_drop_in: str
    finish_file: str
    user: str
    memory: Memory


def root(settings: Settings) -> str:
    """Where the generations of a host are."""
    return f"{settings.config_root}/sip"


def make(settings: Settings, release: str) -> tuple[Generation, tuple[File, ...]]:
    """The generation that ``settings`` with the program in the directory ``release`` amounts to, and its files."""
    return generation.make(root(settings), release, partial(_files, settings, release))


def _files(settings: Settings, release: str, name: str, directory: str) -> tuple[File, ...]:
    files = [File(f"{directory}/ports", text("sip/ports.j2", sip=settings))]
    for slot in settings.slots:
        view = _View(
            generation=name,
            directory=directory,
            slot=slot,
            program=f"{release}/{PROGRAM}",
            release_name=release.rsplit("/", 1)[-1],
            config=settings.config(slot),
            config_file=f"{directory}/{slot}.yaml",
            drain_drop_in=settings.drain_drop_in,
            finish_file=settings.finish_file,
            user=USER,
            memory=settings.memory,
        )
        files.append(File(view.config_file, text("sip/sip.yaml.j2", sip=view), "640", group=USER, secret=True))
        files.append(File(f"{directory}/slot-{slot}.conf", text("sip/slot.conf.j2", sip=view)))
    return tuple(files)
