"""Which slot of a component gets new sessions: where that is written on a host, and how HAProxy hears of a change."""

from __future__ import annotations

from dataclasses import dataclass

from livekit_metal.core import shell

TALK = shell.program(__file__, "talk")


@dataclass(frozen=True, slots=True)
class Active:
    """``file`` is one text file with a line ``component slot`` for each component; it is the truth.

    HAProxy reads it as a map when it starts or reloads; between these, its admin ``socket`` tells it of a change.
    """

    file: str = ""
    socket: str = ""
