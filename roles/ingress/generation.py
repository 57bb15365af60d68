"""The files of a generation of ingress: the configuration of every slot and each slot's drop-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT
from livekit_metal.core.types.memory import Memory
from livekit_metal.roles.ingress.settings import CACHE, COMPONENT, USER, Settings
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.host.output_filter import Output
from livekit_metal.runtime.slots import generation
from livekit_metal.runtime.slots.generation import Generation


@dataclass(frozen=True, slots=True)
class _View:
    """What the templates see: one slot of one generation."""

    generation: str
    directory: str
    slot: str
    release: str
    config: Mapping[str, Any]
    config_file: str
    user: str
    memory: Memory
    cache: str
    drain_drop_in: str
    finish_file: str


def root(settings: Settings) -> str:
    """Where the generations of a host are."""
    return f"{settings.config_root}/{COMPONENT}"


def make(settings: Settings, release: str) -> tuple[Generation, tuple[File, ...]]:
    """The generation that ``settings`` with the program in the directory ``release`` amounts to, and its files."""
    return generation.make(root(settings), release, partial(_files, settings, release))


def _files(settings: Settings, release: str, name: str, directory: str) -> tuple[File, ...]:
    files = [File(f"{directory}/ports", text("ingress/ports.j2", ingress=settings))]
    files.append(Output(user=USER, redis=settings.redis.address).file(directory))
    for slot in settings.slots:
        view = _View(
            generation=name,
            directory=directory,
            slot=slot,
            release=release,
            config=settings.config(slot),
            config_file=f"{directory}/{slot}.yaml",
            user=USER,
            memory=settings.memory,
            cache=CACHE,
            drain_drop_in=DRAIN_DROP_IN,
            finish_file=FINISH_SCRIPT,
        )
        # upstream reads API secret and Redis password from its configuration only: the whole file is a secret
        config = text("ingress/ingress.yaml.j2", ingress=view)
        files.append(File(view.config_file, config, "640", group=USER, secret=True))
        files.append(File(f"{directory}/slot-{slot}.conf", text("ingress/slot.conf.j2", ingress=view)))
    return tuple(files)
