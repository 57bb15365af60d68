"""The files of a generation of livekit-server: the configuration of every slot, the keys, each slot's drop-ins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from livekit_metal.core.slots.decision import CLIENT_SOURCE_ADDRESS, ISOLATED_SUFFIX
from livekit_metal.core.types.memory import Memory
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.livekit.settings import PROGRAM, USER, Settings
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.slots import generation
from livekit_metal.runtime.slots.generation import Generation


@dataclass(frozen=True, slots=True)
class _View:
    """What the templates see: one slot of one generation."""

    generation: str
    stamp: str
    directory: str
    slot: str
    program: str
    release_name: str
    config: dict[str, Any]
    config_file: str
    alone: bool
    signal: int  # port
    memory: Memory
    drain_drop_in: str
    awaited: str  # where HAProxy comes from
    api_keys: Mapping[str, Secret]
    redis: Any


def root(settings: Settings) -> str:
    """Where the generations of a host are."""
    return f"{settings.config_root}/livekit"


def make(settings: Settings, release: str) -> tuple[Generation, tuple[File, ...]]:
    """The generation that ``settings`` with the program in the directory ``release`` amounts to, and its files."""
    return generation.make(root(settings), release, partial(_files, settings, release))


def keys_file(settings: Settings) -> str:
    """What is in keys.yaml of a generation."""
    return text("livekit/keys.yaml.j2", livekit=settings)


def _files(settings: Settings, release: str, name: str, directory: str) -> tuple[File, ...]:
    def view(slot: str, *, alone: bool = False) -> _View:
        config = settings.config(slot)
        if alone:  # without Redis no other node knows of it, and no room can be placed on it
            config = {key: value for key, value in config.items() if key != "redis"}
        return _View(
            generation=name,
            stamp=f"{name}{ISOLATED_SUFFIX}" if alone else name,
            directory=directory,
            slot=slot,
            program=f"{release}/{PROGRAM}",
            release_name=release.rsplit("/", 1)[-1],
            config=config,
            config_file=f"{directory}/{slot}{'-alone' if alone else ''}.yaml",
            alone=alone,
            signal=settings.part("signal", slot).first,
            memory=settings.memory,
            drain_drop_in=settings.drain_drop_in,
            awaited=CLIENT_SOURCE_ADDRESS,
            api_keys=settings.api_keys,
            redis=settings.redis,
        )

    any_slot = view(settings.slots[0])
    # livekit-server refuses a keys file that others may read (mode & 007); it reads it as its own user
    files = [
        File(
            f"{directory}/keys.yaml",
            keys_file(settings),
            "640",
            group=USER,
            secret=True,
        ),
        File(f"{directory}/environment", text("livekit/environment.j2", livekit=any_slot), "600", secret=True),
        File(f"{directory}/hold.sh", text("livekit/hold.sh.j2", livekit=any_slot)),
        File(f"{directory}/ports", text("livekit/ports.j2", livekit=settings)),
    ]
    for each in (view(slot, alone=alone) for slot in settings.slots for alone in (False, True)):
        # rare options may be secrets of their own: not for other users, and with them not for --diff
        config = text("livekit/livekit.yaml.j2", livekit=each)
        files.append(File(each.config_file, config, "640", group=USER, secret=bool(settings.extra)))
        drop_in = f"{directory}/slot-{each.slot}{'-alone' if each.alone else ''}.conf"
        files.append(File(drop_in, text("livekit/slot.conf.j2", livekit=each)))
    return tuple(files)
