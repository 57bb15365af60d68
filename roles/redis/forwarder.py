"""Where Redis was before: a forwarder listens there while somebody is connected to it.

livekit-server cannot change the address of its Redis, and a slot that drains needs it for hours: to let in who comes
late, and to tell the others that it is there. So what Redis leaves goes on working, until a deploy finds that nobody
is connected to it. The addresses stand in the unit's file from before Redis moves until after they are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyinfra.api.host import Host

from livekit_metal.roles.redis.settings import FORWARD_UNIT, FORWARD_UNIT_BEFORE, Settings
from livekit_metal.roles.redis.state import forward_unit
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import SMALL, UNITS, Service
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action

Proof = Callable[[Host], object]
# The file goes last: while it is there, a deploy knows what is left to do.
_END = 'set -eu; systemctl -q disable --now "$1"; rm -rf -- "$2.d"; rm -- "$2"; systemctl daemon-reload'


def service(settings: Settings, unit: str = FORWARD_UNIT) -> Service:
    """The forwarder for ``settings.former``."""
    file = File(f"{UNITS}/{unit}", files.text("redis/livekit-redis-forward.service.j2", redis=settings))
    return Service(unit, (file,), limits=SMALL)


def needs(settings: Settings) -> StateQuery:
    """What must be seen of it, whatever its name."""
    return service(settings).needs | service(settings, FORWARD_UNIT_BEFORE).needs


def around(
    settings: Settings, seen: HostState, moves: tuple[Action, ...], proofs: Sequence[Proof]
) -> tuple[Action, ...]:
    """``moves``, the steps for Redis itself, between those that keep exactly ``settings.former`` working.

    ``proofs`` are taken of it when it has started.
    """
    if not settings.former:
        return (*end(seen), *moves)
    unit = forward_unit(seen)
    forwarder = service(settings, unit)
    steps = forwarder.actions(seen, *proofs)
    if forwarder.running(seen):
        return (*steps, *moves)
    first = len(steps) - len(proofs) - 1  # of the steps that start it and prove it
    stop = Action(f"stop {unit}", lambda host: run(host, "systemctl stop $1", unit))
    held = (stop,) if seen.unit(unit, "ActiveState") in ("active", "activating") else ()
    return (*steps[:first], *held, *moves, *steps[first:])


def end(seen: HostState) -> tuple[Action, ...]:
    """The step that closes every former address, if there are any."""
    unit = forward_unit(seen)
    if f"{UNITS}/{unit}" not in seen.files:
        return ()
    return (Action(f"end {unit}", lambda host: run(host, _END, unit, f"{UNITS}/{unit}")),)
