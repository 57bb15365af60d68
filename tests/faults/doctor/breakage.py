"""One thing that is broken on purpose, as data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

from livekit_metal.site.model import Site
from tests.faults.doctor.elsewhere import Elsewhere

FIRST, SECOND = 0, 1  # host of the site; Redis and Prometheus are on the first, daemons beside LiveKit on the second


@dataclass(frozen=True)
class Breakage:
    """``cause`` is the one row that fails: (check, host judged); its words contain every one of ``words``."""

    name: str
    host: int
    do: str
    undo: str
    cause: tuple[str, int]
    words: str
    files: Callable[[Site, str], dict[str, str]] = field(default=lambda site, host: {})  # that ``do`` finds there
    elsewhere: Elsewhere = field(default=lambda site, host: nullcontext())  # what is broken on this machine
