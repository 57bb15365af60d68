"""Where procedures/status.py puts what it has read: on the screen, as JSON, into a page; once, or again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import gevent

from livekit_metal.core import atomic_file
from livekit_metal.core.errors import SiteError, as_called_here
from livekit_metal.core.switches import Switches, switches
from livekit_metal.runtime.run import read_only
from livekit_metal.runtime.run.read_only import Unreachable
from livekit_metal.site import inventory
from livekit_metal.status import page, render

if TYPE_CHECKING:
    from pyinfra.api.state import State

EVERY = 5.0  # s between two looks, with watch=yes


def conclude(run: State, found: Mapping[str, Any]) -> int:
    """Until somebody ends it with ``--data watch=yes``; the exit status: 1 when a host could not be read."""
    while _given(run).watch:
        show(run, found)
        gevent.sleep(EVERY)
        found = read_only.again(run)
    return int(any(isinstance(one, Unreachable) for one in found.values()))


def show(run: State, found: Mapping[str, Any]) -> None:
    """Put it where the switches say. Raises SystemExit when a page cannot be written."""
    given, now = _given(run), time.time()
    if given.html:
        _write(given, page.page(inventory.current().name, found, now, again=int(EVERY) if given.watch else 0))
    elif given.json:
        click.echo(render.as_json(found, now))
    else:
        if given.watch:
            click.clear()  # nothing where the output is no terminal
        click.echo("\n".join(as_called_here(line) for line in render.table(found, now)))


def _write(given: Switches, text: str) -> None:
    path = Path(given.html)
    try:
        atomic_file.replace(path, text.encode(), was=atomic_file.read(path))
    except SiteError as error:
        raise SystemExit(str(error)) from error
    if not given.watch:
        click.echo(f"wrote {path}")


def _given(run: State) -> Switches:
    return next((switches(host.data.get) for host in run.inventory), Switches())
