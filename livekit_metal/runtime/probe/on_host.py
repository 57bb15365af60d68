"""The program that makes a call, on a host: brought there, run there with nobody's rights, pruned when unused."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.runtime.artifacts.push import progress, send
from livekit_metal.runtime.host.commands import HostError, read, run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.probe.bundle import OLDEST, Target, packed
from livekit_metal.runtime.run.task import Action

_TARGET = """v=$(python3 -I -S -c 'import sys; print("%d.%d" % sys.version_info[:2])') && echo "$v $(uname -m)\""""
_RECEIVE = shell.program(__file__, "receive-pack")
_RUN = shell.program(__file__, "call")
_SLACK = 15  # s for starting and ending, beyond what the call itself may take


def needs(root: str, *, wanted: bool) -> StateQuery:
    """What to look at below ``root``, where the packs of a host are."""
    there = ("runner.there", f"ls -1 {quote(root)}")
    return StateQuery(queries=(there, ("runner.target", _TARGET)) if wanted else (there,))


def actions(root: str, seen: HostState, *, wanted: bool) -> tuple[Action, ...]:
    """Have the pack that this checkout makes for the host there, if it is ``wanted`` at all, and no other."""
    there, known = seen.answers["runner.there"], seen.answers.get("runner.target", [])
    name = Target(*known[0].split()).name if wanted and known else ""
    old = [f"{root}/{each}" for each in there if each != name]
    todo = []
    if wanted and name not in there:  # base may have to bring Python first: which one is asked again then
        todo.append(Action("push the program that makes calls", partial(_bring, root=root)))
    if old and (name or not wanted):
        todo.append(Action("prune the program that makes calls", lambda host: run(host, 'rm -rf -- "$@"', *old)))
    return tuple(todo)


def _bring(host: Host, root: str) -> None:
    ensure(host, root)


def ensure(host: Host, root: str) -> str:
    """The directory of the pack on the host; it is brought there when it is missing. Raises HostError."""
    known = read(host, f'{_TARGET}\ncd "$1" 2>/dev/null && ls -1 || :', root).splitlines()
    if not known or " " not in known[0]:
        raise HostError(f"livekit.probe: {host.name} has no python3; deploy it (base installs it), without --limit")
    target = Target(*known[0].split())
    if target.too_old:
        oldest = ".".join(map(str, OLDEST))
        raise HostError(
            f"livekit.probe: a call needs Python {oldest}, {host.name} has {target.python}; set it to controller"
        )
    directory = f"{root}/{target.name}"
    if target.name not in known[1:]:
        pack = packed(target, host.log)
        digest, size = hashlib.sha256(b"".join(pack)).hexdigest(), sum(map(len, pack))
        pieces = (part[i : i + (1 << 20)] for part in pack for i in range(0, len(part), 1 << 20))
        send(host, _RECEIVE, (directory, digest), progress(host, pieces, size), f"{size >> 20} MB to {directory}")
    return directory


def call(host: Host, root: str, access: dict[str, str], arguments: tuple[str, ...], within: float) -> str:
    """What the call said that was made on ``host``; ``access`` reaches it by standard input. Raises HostError."""
    directory, longest = ensure(host, root), int(within) + _SLACK
    words = ("--access", "-", "--json", *arguments)
    return read(host, _RUN, directory, str(longest), *words, stdin=json.dumps(access), timeout=longest + _SLACK)
