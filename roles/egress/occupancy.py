"""What each slot of egress records, and what waits on the host for somebody to look after it."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.core import shell
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.runtime.host.state import HostState, StateQuery

ASK = shell.program(__file__, "occupancy")
_LEFT = "egress.left"
_KEPT = ("backup", "cut-short", "files")


def needs(settings: Settings) -> StateQuery:
    """What :func:`left` must know."""
    count = "for d in {}; do find {}/$d -type f -size +0 2>/dev/null | grep -c ''; done"
    return StateQuery(queries=((_LEFT, count.format(" ".join(_KEPT), settings.state)),))


def left(seen: HostState) -> dict[str, int]:
    """Files that are kept on the host: not uploaded (``backup``), cut short, or there because that is their place."""
    return dict(zip(_KEPT, map(int, seen.answers[_LEFT]), strict=False))


def notes(settings: Settings, seen: HostState) -> Iterator[str]:
    """What waits for somebody, for the last table."""
    found = left(seen)
    if number := found.get("backup", 0):
        yield f"{number} files were not uploaded and wait in {settings.state}/backup: procedures/reupload.py"
    if number := found.get("cut-short", 0):
        yield f"{number} files are of recordings that were cut short, up to that moment: {settings.state}/cut-short"
