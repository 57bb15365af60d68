"""What pyinfra's command line must do differently here. config.py installs it."""

from __future__ import annotations

import inspect
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click
import gevent
from pyinfra.api import util as stack
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.connectors import util
from pyinfra.connectors.ssh import SSHConnector

from livekit_metal.core import switches
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.connect_errors import Connecting, connecting
from livekit_metal.runtime.run import read_only


def install() -> None:
    """Keep the inventory's order, refuse a --limit or --data that means nothing, explain failures, exit 128 + signal.

    Never ask for sudo's password: what is run beside pyinfra's commands (the lock) could not use it.
    """
    # pyinfra keeps active hosts in a set: every loop over hosts gets the inventory's order (the canary is the first).
    Inventory.get_active_hosts = _in_order  # type: ignore[method-assign,assignment]
    if State.init is not _init:
        _original.append(State.init)
        State.init = _init  # type: ignore[method-assign,assignment]
        SSHConnector.connect = connecting(SSHConnector.connect)  # type: ignore[method-assign]
    util.getpass = _no_password
    # pyinfra keeps Python from writing bytecode: all of ours would be compiled in every run, where nobody did before.
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
    # pyinfra orders operations by the lines of the stack. It has Python read the sources of every frame besides, for
    # every operation of every host: a third of what a large site takes to plan.
    stack.stack = partial(inspect.stack, 0)
    stack.getframeinfo = partial(inspect.getframeinfo, context=0)
    signal.signal(signal.SIGINT, _interrupted)  # libev holds SIGINT: gevent's handler would have no effect
    for number in (signal.SIGTERM, signal.SIGHUP):
        gevent.signal_handler(number, _interrupted, number)


_original: list[Any] = []


def _in_order(inventory: Any) -> list[Any]:
    return [host for host in inventory if host in inventory.state.active_hosts]


def _init(state: Any, inventory: Any, config: Any, initial_limit: Any = None) -> None:
    if initial_limit is not None and not initial_limit:
        names = ", ".join(host.name for host in inventory)
        raise SystemExit(f"--limit: matches no host; known here: {names}")
    _known_switches(inventory)
    _original[0](state, inventory, config, initial_limit=initial_limit)
    state.add_callback_handler(Connecting())
    read_only.install(state)


def _known_switches(inventory: Any) -> None:
    """Refuse a ``--data`` that nothing would read, before the first connection."""
    command = click.get_current_context(silent=True)
    plans: tuple[str, ...] = command.params.get("operations", ()) if command else ()
    if len(plans) == 1 and (found := list(switches.problems(inventory.override_data, Path(plans[0]).stem))):
        raise SystemExit("\n".join(["nothing was changed", *map(str, found)]))


def _no_password(prompt: str = "", stream: TextIO | None = None) -> str:
    raise HostError("sudo asks for a password")


def _interrupted(number: int, _frame: Any = None) -> None:
    """pyinfra's own handler ends with status 0."""
    name = signal.Signals(number).name
    print(  # noqa: T201
        f"--> interrupted by {name}; a command that already runs on a host goes on to its end",
        file=sys.stderr,
    )
    sys.exit(128 + number)
