"""A slot's steps on a host: point, start, end, hand over, drain. Each may be repeated without harm.

What a daemon must show before sessions may reach it is the role's to say (``Daemon`` in slots.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT
from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.wait import journal
from livekit_metal.runtime.slots.active_slot import CLOSE, FLIP, FUNCTIONS

RUN = "/run/livekit-metal"

# $1 unit, $2 drop-in, $3 flag that lets the unit start although it is not active, $4 the timer of an earlier drain
_POINT = f"""set -eu; d=/etc/systemd/system/$1.d; install -d -m 755 -- "$d" {RUN}
ln -sfn "$2" "$d/.new"; mv -fT "$d/.new" "$d/50-generation.conf"
systemctl -q stop "$4" 2>/dev/null || :
rm -f "/run/systemd/system/$1.d/{DRAIN_DROP_IN}" "/run/systemd/system/$1.d/{FINISH_SCRIPT}"; : >"$3"
systemctl daemon-reload; systemctl -q enable "$1"
"""
_STILL = '[ "$(systemctl show -p ActiveState --value "$unit")" = deactivating ] || exit 0'
# $unit, $component, the times, $signal and $finish of a Change, and a function `waiting SLOT` of the role that prints
# what would die with the slot although nobody is on it yet. The deadline must stay until the unit is inactive: systemd
# computes deadlines again at every daemon-reload. Never `systemctl kill`: Restart=always would revive the slot.
_DRAIN = f"""
drain() {{
  u=$(printf "$unit" "$1"); end=$(($(date +%s) + unjoined))
  while left=$(waiting "$1") && [ -n "$left" ] && [ $(date +%s) -lt $end ]; do sleep 0.3; done
  [ -z "$left" ] || printf '%s\\n' "$left" | sed "s/^/left $1 /"
  d=/run/systemd/system/$u.d; mkdir -p "$d"
  if [ -n "$finish" ]; then
    {{ echo "slot=$1 unit=$u"; echo '{_STILL}'; printf '%s\\n' "$finish"; }} >"$d/{FINISH_SCRIPT}"
    t=livekit-finish-$component-$1
    systemctl -q is-active $t.timer || systemd-run -q --unit=$t --on-active="$deadline" \\
      --timer-property=AccuracySec=1s /bin/sh "$d/{FINISH_SCRIPT}"
  fi
  {{ echo '[Service]'; [ -z "$signal" ] || echo "KillSignal=$signal"
    echo "TimeoutStopSec=$bound"; }} >"$d/{DRAIN_DROP_IN}"
  rm -f "{RUN}/candidate-$component-$1"; systemctl daemon-reload; systemctl stop --no-block "$u"
}}
"""
_HEAD = """set -eu; file=$1 socket=$2 component=$3 unit=$4 slot=$5; shift 5
deadline=$1 bound=$2 unjoined=$3 signal=$4 finish=$5; shift 5
"""


def candidate(component: str, slot: str) -> str:
    """The flag that lets a slot start which is not active."""
    return f"{RUN}/candidate-{component}-{slot}"


def point(host: Host, unit: str, drop_in: str, flag: str) -> None:
    """Make the empty slot ``unit`` ready to run what ``drop_in`` says; ``flag`` lets it start."""
    run(host, _POINT, unit, drop_in, flag, f"livekit-finish-{flag.rpartition('/candidate-')[2]}.timer")


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

    ``waiting`` is shell text, the body of a function: it prints a line for each thing on slot $1 that would die with
    the slot although nobody is on it yet. ``flip`` is shell text too: it calls ``write "$component $slot"`` when the
    slot can be reached, and tells whatever stands in front. ``finish``, if any, runs at the deadline and when the host
    goes down while the slot still drains ($slot, $unit): what is to be brought to an end gets ``grace`` for it.
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

    def hand_over(self, host: Host, slot: str, old: Sequence[str] = (), mark: str = "") -> str:
        """New sessions go to ``slot`` ('' = to no slot of this host); then every slot of ``old`` drains.

        Touches the file ``mark`` when the slot has become active. Returns what the drains could not wait for.
        """
        flip = self.flip if slot else self.close
        touched = f"mkdir -p {quote(mark.rpartition('/')[0])}; touch {quote(mark)}\n" if mark else ""
        return self._run(host, f"{FUNCTIONS}{flip}{touched}", slot, old)

    def drain(self, host: Host, old: Sequence[str]) -> str:
        """Tell slots to end when nobody needs them any more; does not wait for that. See :meth:`hand_over`."""
        return self._run(host, "", "", old)

    def _run(self, host: Host, before: str, slot: str, old: Sequence[str]) -> str:
        text = f'{_HEAD}waiting() {{\n{self.waiting}\n}}{_DRAIN}{before}for s in "$@"; do drain "$s"; done'
        where = (self.active.file, self.active.socket, self.component, self.unit.replace("{}", "%s"), slot)
        bound = Duration(self.deadline + self.grace)
        how = (str(self.deadline), str(bound), str(int(self.unjoined)), self.signal, self.finish)
        said = run(host, text, *where, *how, *old, timeout=120 + int(self.unjoined) * max(1, len(old)))
        left = [line.removeprefix("left ").split(" ", 1) for line in said.splitlines() if line.startswith("left ")]
        return "; ".join(f"slot {s} drains without waiting any longer for {what}" for s, what in left)
