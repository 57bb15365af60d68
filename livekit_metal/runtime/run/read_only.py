"""Runs that only read: each host is looked at once, nothing is asked or changed, and all is shown at the end.

pyinfra ends a run when a host cannot be connected to, and asks before it goes on to execute. Neither serves here: such
a host is one more finding, and the run ends when the last host has been read, before there is anything to execute.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import gevent
from pyinfra import context
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import BaseStateCallback

from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.host.connect_errors import explained, lost
from livekit_metal.runtime.host.state import HostState, Observer, StateQuery, observer

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State

_PROCEDURES = (Path(__file__).parents[2] / "procedures").resolve()  # a link in the checkout
# Deploy files that only read, and the module whose ``show(state, found)`` tells what they have read. Known by name,
# because pyinfra does not come to load the file when it can connect to no host.
READERS = {
    _PROCEDURES / "collect.py": "livekit_metal.collect.finish",
    _PROCEDURES / "doctor.py": "livekit_metal.diagnosis.finish",
    _PROCEDURES / "status.py": "livekit_metal.status.output",
}


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Why there is nothing to say of a host."""

    why: str


@dataclass(slots=True)
class Reading(BaseStateCallback):
    """What this run has read. ``show`` gets every host of the run, in the inventory's order."""

    show: Callable[[State, Mapping[str, Any]], None]
    found: dict[str, Any] = field(default_factory=dict)
    shown: bool = False
    looks: dict[str, Callable[[], Any]] = field(default_factory=dict)  # what finds it once more

    def host_connect_error(self, state: State, host: Host, error: Exception) -> None:  # type: ignore[override]
        self.found[host.name] = Unreachable(str(explained(host, error.__context__ or error)))
        if len(self.found) == len(_hosts(state)):  # nobody is there to disconnect from
            self._show(state)

    def host_disconnect(self, state: State, host: Host) -> None:  # type: ignore[override]
        self._show(state)

    def _show(self, state: State) -> None:
        if not self.shown:
            self.shown = True
            nothing = Unreachable("was not read: the run was interrupted")
            self.show(state, {name: self.found.get(name, nothing) for name in _hosts(state)})


def install(state: State) -> None:
    """Have this run be one that only reads, if its deploy file is one of READERS. Before anything is connected to."""
    command = click.get_current_context(silent=True)
    files = [Path(word).resolve() for word in command.params.get("operations", ())] if command else []
    if len(files) == 1 and files[0] in READERS:
        state.config.FAIL_PERCENT = None
        reading = Reading(import_module(READERS[files[0]]).show)
        state.add_callback_handler(reading)


def gather(
    needs: StateQuery, of: Callable[[HostState], Any], conclude: Callable[[State, Mapping[str, Any]], int] | None = None
) -> None:
    """Look at the host in context and keep what ``of`` makes of it; the last one ends the run.

    ``conclude`` is called then, with what was read, while the hosts are still connected; the exit status is what it
    returns, or without it 1 when any host could not be read. Raises PyinfraError in a run that does more than this.
    """
    state, host = context.ctx_state.get(), context.ctx_host.get()
    reading = next((handler for handler in state.callback_handlers if isinstance(handler, Reading)), None)
    if reading is None:
        raise PyinfraError("it only reads, and ends the run; run it alone: pyinfra INVENTORY procedures/NAME.py")
    observer().need(needs)
    reading.looks[host.name] = look = partial(_look, host, observer(), of)
    reading.found[host.name] = look()
    if len(reading.found) == len(_hosts(state)):
        if conclude is not None:
            raise SystemExit(conclude(state, reading.found))
        raise SystemExit(int(any(isinstance(found, Unreachable) for found in reading.found.values())))


def again(state: State) -> Mapping[str, Any]:
    """What a look at each host finds now, all at once. Who could not be connected to at first stays so."""
    reading = next(handler for handler in state.callback_handlers if isinstance(handler, Reading))
    jobs = {name: gevent.spawn(look, afresh=True) for name, look in reading.looks.items()}
    gevent.joinall(jobs.values())
    reading.found |= {name: job.value for name, job in jobs.items()}
    return {name: reading.found[name] for name in _hosts(state)}


def _look(host: Host, one: Observer, of: Callable[[HostState], Any], *, afresh: bool = False) -> Any:
    try:
        if afresh:
            one.forget()
            if lost(host):
                _connect(host)
        return of(one.current())
    except Exception as error:  # whatever it is, the other hosts are still to be shown
        why = str(error) if isinstance(error, HostError) else f"{type(error).__name__}: {error}"
        return Unreachable((not lost(host) and _powerless(host)) or why)


def _connect(host: Host) -> None:
    """Once more; pyinfra's own disconnect would end the run."""
    connector: Any = host.connector
    with contextlib.suppress(Exception):
        connector.client.close()
    connector.connect()


def _powerless(host: Host) -> str:
    """Why no command can be run there, if none can: sudo hangs up on a script that it does not let through."""
    try:
        read(host, "true", timeout=10)
    except Exception as error:
        said = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        remedy = "give the login user sudo without password" if host.data.get("_sudo") else "try `ssh` by hand"
        return f"hosts.{host.name}: no command runs there ({said[0]}); {remedy}"
    return ""


def _hosts(state: State) -> list[str]:
    """The hosts of this run."""
    return [host.name for host in state.inventory if state.is_host_in_limit(host)]
