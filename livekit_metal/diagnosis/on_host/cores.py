"""Whether livekit-server gets a core when it wants one: what its threads waited while the doctor's calls were made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from livekit_metal.core import shell
from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit.settings import Settings as Livekit

if TYPE_CHECKING:
    from livekit_metal.site.model import HostStack

PROBE = "doctor.waits"
_ASK = shell.program(__file__, "waits")
_STOLEN, _IDLE = 0.05, 0.2  # shares of the cores' time


@dataclass(frozen=True, slots=True)
class Waits:
    """Since the start of the process ``pid``, and of the host; ns and ticks."""

    pid: int
    ran: int
    waited: int
    turns: int
    ticks: int
    idle: int
    stolen: int
    throttled: int  # how often a quota held it back

    @classmethod
    def read(cls, lines: Sequence[str]) -> Self | None:
        words = [int(word) for line in lines for word in line.split()]
        return (
            cls(*[*words, 0][: len(dataclasses.fields(cls))])
            if len(words) >= len(dataclasses.fields(cls)) - 1
            else None
        )

    def since(self, before: Self) -> Self:
        return dataclasses.replace(
            self,
            **{
                field.name: getattr(self, field.name) - getattr(before, field.name)
                for field in dataclasses.fields(self)
                if field.name != "pid"
            },
        )


def question(stack: HostStack) -> tuple[str, tuple[str, ...]]:
    """A program for the host, and its words."""
    return _ASK, (stack.the(Edge).active.file, stack.the(Livekit).unit.format("%"))


def judged(stack: HostStack, before: Waits | None, after: Waits | None) -> CheckResult | None:
    """None: nothing is known, as where the process is another one now."""
    if before is None or after is None or before.pid != after.pid:
        return None
    between = after.since(before)
    mean = between.waited / max(between.turns, 1) / 1e6
    row = CheckResult(check="cores", about=stack.host, vantage=stack.host)
    said = f"livekit-server waited {mean:.1f} ms for a core each time while calls were made"
    if mean <= stack.the(Livekit).quality.wait_ms:
        return dataclasses.replace(row, said=said)
    why, remedy = _why(between)
    return dataclasses.replace(row, result=Result.NOTE, suspect=True, said=f"{said}: {why}", remedy=remedy)


def _why(between: Waits) -> tuple[str, str]:
    idle, stolen = (part / max(between.ticks, 1) for part in (between.idle, between.stolen))
    if between.throttled > 0:
        return f"a quota held it back {between.throttled} times", "raise CPUQuota= of its unit or slice"
    if stolen > _STOLEN:
        return f"{stolen:.0%} of the cores' time went to other machines on the same iron", "get cores of your own"
    if idle > _IDLE:
        fact = f"the cores were idle {idle:.0%} of the time, so a quota holds it back"
        return fact, "raise it: that of a slice, of the container, or of the machine around this host"
    return "the cores are busy", "see what takes them (top), and give the host more, or less to do"
