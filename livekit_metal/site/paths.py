"""Where things go on a host, and what a role puts there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option
from livekit_metal.core.types.text import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths(Checked):
    """Where things go on the hosts."""

    config: HostPath = option("/etc/livekit-metal", "configuration and generations")
    releases: HostPath = option("/opt/livekit", "programs, one directory per release")
    state: HostPath = option("/var/lib/livekit-metal", "data of Redis and Prometheus")

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("config", "releases", "state"):
            value = getattr(self, name)
            if value.rstrip("/").count("/") < 2:
                yield Problem(f"{path}.{name}", f"is {value!r}", "write an absolute path of two parts or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a role puts on a host beside its own directories below ``site.paths``."""

    packages: tuple[str, ...] = ()  # of Debian
    masked: tuple[str, ...] = ()  # units that come with them and would take our ports
    units: tuple[str, ...] = ()  # ours; those of a template once for each slot
    users: tuple[str, ...] = ()  # system users that we make
    files: tuple[str, ...] = ()  # outside our own directories
    directories: tuple[str, ...] = ()  # likewise, with everything in them
    parents: tuple[str, ...] = ()  # of those files, where nothing else may have been: they go when they are empty
