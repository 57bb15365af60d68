"""The end of procedures/collect.py: the archive is written, and its name told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from livekit_metal.collect import gather, write
from livekit_metal.collect.redact import Redactor
from livekit_metal.core.errors import SiteError
from livekit_metal.core.switches import Switches, switches
from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.run.read_only import Unreachable
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

if TYPE_CHECKING:
    from pyinfra.api.state import State

_told: list[str] = []


def conclude(site: Site, run: State, found: Mapping[str, Any]) -> int:
    """Write it; the exit status: 1 when a host could not be read, or nothing was written."""
    given = next(iter(switches(host.data.get) for host in run.inventory), Switches())
    now = time.time()
    files = {name: {"unread.txt": one.why} if isinstance(one, Unreachable) else one for name, one in found.items()}
    unread = [name for name, one in found.items() if isinstance(one, Unreachable)]
    values = site.vault.every_value() if site.vault else ()
    path = write.place(given.to, site.name, now)
    try:
        known = gather.sources(site, Duration.parse(given.since))
        write.write(path, write.archive(site.name, files, known, Redactor(values), now))
    except (SiteError, ValueError) as error:
        _told.append(str(error))
        return 1
    _told.append(f"wrote {path} ({path.stat().st_size // 1024} KiB, {len(files) - len(unread)} of {len(files)} hosts)")
    _told.extend(f"{name} could not be read: {found[name].why.splitlines()[0]}" for name in unread)
    _told.append("secrets are not in it; addresses, names of rooms and of participants are: read it before it leaves")
    return int(bool(unread))


def show(run: State, found: Mapping[str, Any]) -> None:
    """Say on standard output what became of it."""
    if not _told:  # no host was looked at
        conclude(inventory.current(), run, found)
    click.echo("\n".join(["", *_told]))
