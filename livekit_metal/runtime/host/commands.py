"""Commands on a host.

``ask`` reads, ``sh`` changes. Every changing command runs under a shared *work lock* on the host, so that a command
left running by a dead deploy is seen by the next one (see lock.py), and with umask 022, whatever the login's is; no
other way to change a host is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.host import Host

from livekit_metal.core.printable import printable
from livekit_metal.runtime.host.connect_errors import BREAKS, broken, lost
from livekit_metal.runtime.run import lock_script

_LONGEST = 8000  # characters of what a command said, in an error
_WAIT = 60  # s for the work lock, which another run has for a moment only
_PRIVILEGE = ("_sudo", "_sudo_user", "_sudo_password", "_use_sudo_login", "_su_user", "_doas", "_dzdo")
_before_first_change: list[Callable[[], None]] = []


class HostError(Exception):
    """Something did not work in a way that needs no traceback: the text is for the operator."""


class Quiet(list[str]):
    """Standard input that pyinfra's -v does not print."""

    def __str__(self) -> str:
        return "..."

    __repr__ = __str__


def before_first_change(action: Callable[[], None]) -> None:
    """Have ``action`` run once, right before anything on any host is changed (it may raise HostError)."""
    _before_first_change.append(action)


def privilege(host: Host) -> dict[str, Any]:
    """The sudo arguments in force for ``host`` (pyinfra hands them to operations only)."""
    inherited: dict[str, Any] = dict(host.current_op_global_arguments or {})
    chosen = {k: inherited[k] for k in _PRIVILEGE if inherited.get(k)}
    return chosen or {k: v for k in _PRIVILEGE if (v := host.data.get(k))}


def read(host: Host, script: str, *args: str, stdin: str = "", timeout: int = 60) -> str:
    """Output of a command that changes nothing. Raises HostError with what it said."""
    return _execute(host, StringCommand("sh", "-c", QuoteString(script), "sh", *map(QuoteString, args)), stdin, timeout)


def run(host: Host, script: str, *args: str, stdin: str = "", timeout: int = 120) -> str:
    """Output of a command that changes the host; ``timeout`` in seconds. Raises HostError with what it said."""
    while _before_first_change:
        _before_first_change[0]()
        _before_first_change.pop(0)
    try:
        return _execute(host, changing(script, *args, wait=min(_WAIT, timeout // 2)), stdin, timeout)
    except HostError as error:
        if str(error) != lock_script.BUSY:
            raise
        who = read(host, lock_script.HOLDERS, lock_script.WORK_LOCK).strip() or "nobody by now"
        raise HostError(f"{error}: held by {who}; wait for its end or end it, then run the same again") from error


def changing(script: str, *args: str, wait: int = _WAIT) -> StringCommand:
    """The command that runs ``script`` under the work lock, for which it waits ``wait`` seconds at the longest."""
    words = map(QuoteString, (lock_script.CHANGE, "sh", lock_script.WORK_LOCK, str(wait), script, *args))
    return StringCommand("sh", "-c", *words)


def _execute(host: Host, command: StringCommand, stdin: str, timeout: int) -> str:
    try:
        ok, output = host.run_shell_command(
            command, _timeout=timeout, **privilege(host), **({"_stdin": Quiet([stdin])} if stdin else {})
        )
    except TimeoutError as error:  # an OSError too, but the connection is fine
        raise HostError(
            f"not done after {timeout} s; it goes on at {host.name}, run the same again when it is over"
        ) from error
    except BREAKS as error:
        raise HostError(broken(host, error)) from error
    if not ok:
        said = output.stderr.strip() or output.stdout.strip()
        if lost(host, within=0.0 if said else 1.0):
            raise HostError(broken(host))
        raise HostError(printable(said or "it said nothing", _LONGEST, keep="\n\t"))
    return str(output.stdout)
