"""Conditions awaited on a host; when one is not met in time, the unit's journal says why."""

from __future__ import annotations

import time
from collections.abc import Callable

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.printable import printable
from livekit_metal.runtime.host.commands import HostError, read

_LONGEST = 6400  # characters: 15 lines of 400, and what joins them
_BREAKS = "\n\t"
ALIVE = shell.program(__file__, "alive")  # begins a test of a unit that was started just now
_UNTIL = shell.program(__file__, "until")


def until(host: Host, what: str, unit: str, test: str, *args: str, within: float = 30.0, secret: str = "") -> str:
    """Wait until the program ``test`` succeeds on the host; its output. Raises HostError after ``within`` seconds.

    The wait itself runs on the host (one round trip); it ends early when the unit has failed, and when ``test`` calls
    ``exit 2``: no use to wait. ``test`` finds
    ``secret`` in a shell variable of that name, which came by standard input and is in no argument list.
    """
    words, has = (str(int(within)), unit, test), "yes" if secret else ""
    try:
        return read(host, _UNTIL, *words, has, *args, stdin=f"{secret}\n" if secret else "", timeout=int(within) + 30)
    except HostError as error:
        raise HostError(
            f"timed out after {within:.0f} s waiting for: {what} ({error})\n{journal(host, unit)}"
        ) from error


def journal(host: Host, unit: str, lines: int = 15) -> str:
    """The last lines of a unit's journal, for an error message; livekit-server's may have 20 000 characters."""
    try:
        said = read(host, "journalctl -u $1 -n $2 --no-pager -o cat | cut -c 1-400", unit, str(lines)).rstrip()
    except HostError as error:
        said = f"(no journal: {error})"
    return f"last words of {unit}:\n{printable(said, _LONGEST, keep=_BREAKS)}"


def poll(what: str, test: Callable[[], bool], within: float = 30.0, every: float = 0.2) -> None:
    """Wait on the controller until ``test()``; ``within`` and ``every`` in seconds. Raises HostError."""
    end = time.monotonic() + within
    while not test():
        if time.monotonic() > end:
            raise HostError(f"timed out after {within:.0f} s waiting for: {what}")
        time.sleep(every)
