"""Where Redis was before: a forwarder listens there while somebody is connected to it.

livekit-server cannot change the address of its Redis, and a slot that drains needs it for hours: to let in who comes
late, and to tell the others that it is there. So what Redis leaves goes on working, until a deploy finds that nobody
is connected to it. The addresses stand in the unit's file from before Redis moves until after they are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyinfra.api.host import Host

from roles._kit import files
from roles._kit.change import sh
from roles._kit.files import File
from roles._kit.look import Seen
from roles._kit.plan import Step
from roles._kit.service import SMALL, Service
from roles.redis.observed import FORMER_FILE
from roles.redis.settings import FORMER_UNIT, Settings

Proof = Callable[[Host], object]
# The file goes last: while it is there, a deploy knows what is left to do.
_END = 'set -eu; systemctl -q disable --now "$1"; rm -rf -- "$2.d"; rm -- "$2"; systemctl daemon-reload'


def service(settings: Settings) -> Service:
    """The forwarder for ``settings.former``."""
    unit = File(FORMER_FILE, files.text("redis/livekit-redis-formerly.service.j2", redis=settings))
    return Service(FORMER_UNIT, (unit,), limits=SMALL)


def around(settings: Settings, seen: Seen, moves: tuple[Step, ...], proofs: Sequence[Proof]) -> tuple[Step, ...]:
    """``moves``, the steps for Redis itself, between those that keep exactly ``settings.former`` working.

    ``proofs`` are taken of it when it has started.
    """
    if not settings.former:
        return (*end(seen), *moves)
    forwarder = service(settings)
    steps = forwarder.steps(seen, *proofs)
    if forwarder.running(seen):
        return (*steps, *moves)
    first = len(steps) - len(proofs) - 1  # of the steps that start it and prove it
    stop = Step(f"stop {FORMER_UNIT}", lambda host: sh(host, "systemctl stop $1", FORMER_UNIT))
    held = (stop,) if seen.unit(FORMER_UNIT, "ActiveState") in ("active", "activating") else ()
    return (*steps[:first], *held, *moves, *steps[first:])


def end(seen: Seen) -> tuple[Step, ...]:
    """The step that closes every former address, if there are any."""
    if FORMER_FILE not in seen.files:
        return ()
    return (Step(f"end {FORMER_UNIT}", lambda host: sh(host, _END, FORMER_UNIT, FORMER_FILE)),)
