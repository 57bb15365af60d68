"""A slot's steps on a host: point, start, end, hand over, drain. Each may be repeated without harm.

What a daemon must show before sessions may reach it is the role's to say (``Daemon`` in slots.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT
from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.wait import journal
from livekit_metal.runtime.slots.active_slot import CLOSE, FLIP, FUNCTIONS

RUN = "/run/livekit-metal"

_POINT = shell.program(__file__, "point")
_HAND_OVER = FUNCTIONS + shell.program(__file__, "hand-over")


def candidate(component: str, slot: str) -> str:
    """The flag that lets a slot start which is not active."""
    return f"{RUN}/candidate-{component}-{slot}"


def point(host: Host, unit: str, drop_in: str, flag: str) -> None:
    """Make the empty slot ``unit`` ready to run what ``drop_in`` says; ``flag`` lets it start."""
    timer = f"livekit-finish-{flag.rpartition('/candidate-')[2]}.timer"
    run(host, _POINT, unit, drop_in, flag, timer, DRAIN_DROP_IN, FINISH_SCRIPT)


def start(host: Host, unit: str) -> None:
    """Start the unit. That it runs proves nothing yet: livekit-server ends with status 0 when it cannot start."""
    try:
        run(host, "systemctl reset-failed $1 2>/dev/null || :; systemctl start $1", unit)
    except HostError as error:  # a program that this host cannot even execute
        raise HostError(f"{unit} does not start\n{journal(host, unit)}") from error


def end(host: Host, unit: str, flag: str) -> None:
    """End a process that no session can reach; its own drop-in bounds how long that takes."""
    run(host, 'rm -f "$2"; systemctl stop "$1"', unit, flag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchover:
    """How one daemon's slots change places on a host: one command, which goes on when the controller dies.

    ``waiting`` is a program: it prints a line for each thing on slot $1 that would die with the slot although nobody
    is on it yet. ``flip`` is one too: it calls ``write "$component $slot"`` when the slot can be reached, and tells
    whatever stands in front. ``finish``, if any, runs at the deadline and when the host goes down while the slot still
    drains ($slot, $unit): what is to be brought to an end gets ``grace`` for it.
    """

    component: str
    unit: str  # with {} for the slot
    active: Active
    deadline: Duration
    unjoined: Duration = Duration(0)  # how long to wait for what ``waiting`` prints
    waiting: str = ":"
    flip: str = FLIP
    close: str = CLOSE
    signal: str = ""  # that makes the daemon drain, where the unit's KillSignal= is another
    finish: str = ""
    grace: Duration = Duration(0)  # after the deadline, then it is killed

    def switch_traffic(self, host: Host, slot: str, old: Sequence[str] = (), mark: str = "") -> str:
        """New sessions go to ``slot`` ('' = to no slot of this host); then every slot of ``old`` drains.

        Touches the file ``mark`` when the slot has become active. Returns what the drains could not wait for.
        """
        return self._run(host, self.flip if slot else self.close, slot, old, mark)

    def drain(self, host: Host, old: Sequence[str]) -> str:
        """Tell slots to end when nobody needs them any more; does not wait for that. See :meth:`switch_traffic`."""
        return self._run(host, "", "", old, "")

    def _run(self, host: Host, change: str, slot: str, old: Sequence[str], mark: str) -> str:
        where = (self.active.file, self.active.socket, self.component, self.unit.replace("{}", "%s"), slot)
        bound = Duration(self.deadline + self.grace)
        how = (str(self.deadline), str(bound), str(int(self.unjoined)), self.signal, self.finish)
        names, programs = (RUN, DRAIN_DROP_IN, FINISH_SCRIPT), (self.waiting, change)
        timeout = 120 + int(self.unjoined) * max(1, len(old))
        said = run(host, _HAND_OVER, *where, *how, *names, *programs, mark, *old, timeout=timeout)
        left = [line.removeprefix("left ").split(" ", 1) for line in said.splitlines() if line.startswith("left ")]
        return "; ".join(f"slot {s} drains without waiting any longer for {what}" for s, what in left)
