"""Where Redis was before: a forwarder listens there while somebody is connected to it.

livekit-server cannot change the address of its Redis, and a slot that drains needs it for hours: to let in who comes
late, and to tell the others that it is there. So what Redis leaves goes on working, until a deploy finds that nobody
is connected to it. The addresses stand in the unit's file from before Redis moves until after they are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyinfra.api.host import Host

from livekit_metal.roles.redis.settings import FORWARD_UNIT, Settings
from livekit_metal.roles.redis.state import FORMER_FILE
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import SMALL, Service
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Action

Proof = Callable[[Host], object]
# The file goes last: while it is there, a deploy knows what is left to do.
_END = 'set -eu; systemctl -q disable --now "$1"; rm -rf -- "$2.d"; rm -- "$2"; systemctl daemon-reload'


def service(settings: Settings) -> Service:
    """The forwarder for ``settings.former``."""
    unit = File(FORMER_FILE, files.text("redis/livekit-redis-formerly.service.j2", redis=settings))
    return Service(FORWARD_UNIT, (unit,), limits=SMALL)


def around(
    settings: Settings, seen: HostState, moves: tuple[Action, ...], proofs: Sequence[Proof]
) -> tuple[Action, ...]:
    """``moves``, the steps for Redis itself, between those that keep exactly ``settings.former`` working.

    ``proofs`` are taken of it when it has started.
    """
    if not settings.former:
        return (*end(seen), *moves)
    forwarder = service(settings)
    steps = forwarder.actions(seen, *proofs)
    if forwarder.running(seen):
        return (*steps, *moves)
    first = len(steps) - len(proofs) - 1  # of the steps that start it and prove it
    stop = Action(f"stop {FORWARD_UNIT}", lambda host: run(host, "systemctl stop $1", FORWARD_UNIT))
    held = (stop,) if seen.unit(FORWARD_UNIT, "ActiveState") in ("active", "activating") else ()
    return (*steps[:first], *held, *moves, *steps[first:])


def end(seen: HostState) -> tuple[Action, ...]:
    """The step that closes every former address, if there are any."""
    if FORMER_FILE not in seen.files:
        return ()
    return (Action(f"end {FORWARD_UNIT}", lambda host: run(host, _END, FORWARD_UNIT, FORMER_FILE)),)
