"""Generations: immutable directories on a host, named by the hash of all that a slot would run.

A generation holds the configuration of every slot and each slot's drop-in (program, limits, sandbox). Its files are
written once and never changed, so nothing a running slot reads can change under it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livekit_metal.runtime.host.files import File, digest

_NAMELESS = "@"  # stands for the name while the name is being made


@dataclass(frozen=True, slots=True)
class Generation:
    """What a slot is to run: an immutable directory on the host, and the release it was made for."""

    name: str
    directory: str
    release: str  # directory of the program

    def drop_in(self, slot_name: str, *, alone: bool = False) -> str:
        """Path of the drop-in that makes a slot run this generation; ``alone``: where no session can reach it."""
        return f"{self.directory}/slot-{slot_name}{'-alone' if alone else ''}.conf"


def make(root: str, release: str, files: Callable[[str, str], tuple[File, ...]]) -> tuple[Generation, tuple[File, ...]]:
    """The generation below ``root`` that runs the program in the directory ``release``, and its files.

    ``files(name, directory)`` are the role's: their hash is the name. Each generation also records its release.
    """

    def all_files(name: str) -> tuple[File, ...]:
        directory = f"{root}/{name}"
        return (*files(name, directory), File(f"{directory}/release", f"{release}\n"))

    name = digest(all_files(_NAMELESS))
    return Generation(name, f"{root}/{name}", release), all_files(name)
