"""Who is on which slot of a host: asked of systemd, of the kernel and of the slots themselves, in one probe of a look.

What a slot runs, and on which ports, is read from its process and from its generation, never from today's site: a slot
that drains is of an earlier deploy. What cannot be known is None.
"""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from roles._kit.change import Failed
from roles.livekit import generation
from roles.livekit.settings import UNIT, Settings
from stack import slots
from stack.slots import DRAIN_DROP_IN, Slot

NAME = "livekit.occupancy"


class State(StrEnum):
    """What a slot is used for."""

    ACTIVE = "active"  # runs, and new sessions go there
    RUNNING = "running"  # runs, and new sessions go elsewhere
    PROVING = "proving"  # a candidate that no session can reach
    DRAINING = "draining"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Occupancy:
    """A slot and who is on it. Times are Unix seconds by the host's clock."""

    slot: str
    state: State
    generation: str = ""
    release: str = ""  # "1.13.5-3e66f6dc9626"
    rooms: int | None = None  # None: it does not answer, or was not asked
    participants: int | None = None
    unjoined: tuple[str, ...] | None = None  # rooms with nobody in them; None also for a generation without debug port
    websockets: int | None = None  # established connections from the edge, of rooms here and elsewhere
    since: int | None = None  # when its drain began
    deadline: int | None = None  # when systemd kills it


# A line is `SLOT WORD VALUE`, besides `active SLOT` and, at the end of a whole answer, `end`. No line may begin with #.
# ActiveExitTimestamp is the moment of the stop, whatever daemon-reloads come after it; StateChangeTimestamp moves on
# with each step of the stop. JSON escapes quotes inside of strings: nobody's room name can look like a room of its own.
_PROBE = r"""
sed -n 's/^livekit /active /p' @ACTIVE@
@FIRST@
export TZ=UTC LC_ALL=C
shown=$(systemctl show -p Id,ActiveState,MainPID,ActiveExitTimestamp,TimeoutStopUSec -- '@UNITS@') || exit
printf '%s\n' "$shown" | awk 'BEGIN { RS = ""; FS = "\n"; OFS = "|" } {
  for (i = 1; i <= NF; i++) { n = index($i, "="); v[substr($i, 1, n - 1)] = substr($i, n + 1) }
  print v["Id"], v["ActiveState"], v["MainPID"], v["ActiveExitTimestamp"], v["TimeoutStopUSec"] }' |
while IFS='|' read -r unit state pid left timeout; do
  slot=${unit#*@}; slot=${slot%.service}
  printf '%s\n' "$slot state $state" "$slot left $left" "$slot timeout $timeout"
  case $state:$pid in *:0 | *:) continue ;; @WHICH@:*) ;; *) continue ;; esac
  stamp=$(sed -zn 's/^LKM_STAMP=//p' "/proc/$pid/environ" | tr -d '\0')
  of=@ROOT@/${stamp%%~*}
  port() { sed -n "s/^slot $slot .*\<$1 \([0-9]*\).*/\1/p" "$of/ports"; }
  signal=$(port signal) metrics=$(port metrics) debug=$(port debug)
  printf '%s\n' "$slot stamp $stamp" "$slot release $(cat "$of/release")"
  [ -z "$signal" ] || ! all=$(ss -Htn state established "( sport = :$signal )") ||
    echo "$slot websockets $(printf '%s' "$all" | grep -c '')"
  [ -z "$metrics" ] || curl -sf -m 2 "http://127.0.0.1:$metrics/metrics" |
    sed -nE "s/^livekit_(room|participant)_total[{ ].* ([^ ]+)\$/$slot \1s \2/p"
  [ -z "$debug" ] || ! all=$(curl -sf -m 5 "http://127.0.0.1:$debug/debug/rooms") || {
    echo "$slot debug read"
    printf '%s\n' "$all" | grep -aoE '"Name":"([^"\\]|\\.)*","Participants":\{\},"Sid"' |
      sed "s/^\"Name\":/$slot unjoined /; s/,\"Participants\":{},\"Sid\"\$//"
  }
done
echo end
"""

_ONLY_DRAINING = """echo 'only draining'; set -- @DROP_INS@; [ -e "$1" ] || { echo end; exit; }"""


def probe(settings: Settings, *, draining: bool = False) -> tuple[str, str]:
    """For :class:`Needs`, or as a command of its own (name, shell text).

    ``draining``: only of slots that drain. Costs next to nothing while none does, so that every deploy may ask.
    """
    drop_ins = f"/run/systemd/system/{UNIT.format('*')}.d/{DRAIN_DROP_IN}"
    filled = {
        "FIRST": _ONLY_DRAINING.replace("@DROP_INS@", drop_ins) if draining else ":",
        "ACTIVE": settings.active.file,
        "UNITS": UNIT.format("*"),
        "ROOT": generation.root(settings),
        "WHICH": "deactivating" if draining else "*",
    }
    return NAME, re.sub("@([A-Z]+)@", lambda found: filled[found[1]], _PROBE)


def active(lines: Iterable[str]) -> str:
    """The slot that new sessions go to, whatever is the matter with it; '' before the first activation."""
    return next((rest for word, _, rest in (line.partition(" ") for line in lines) if word == "active"), "")


def parse(lines: Iterable[str], settings: Settings) -> dict[str, Occupancy]:
    """What the probe's answer says of the slots of the site, and of others while they are not empty.

    Only of those that drain, if only they were asked. Raises Failed when the answer is not whole.
    """
    lines = list(lines)
    if lines[-1:] != ["end"]:
        raise Failed("livekit: the host does not say what its slots do; does `systemctl status` work there?")
    said: dict[str, dict[str, list[str]]] = {name: {} for name in settings.slots}
    for slot, word, value in (line.split(" ", 2) for line in lines if line.count(" ") >= 2):
        said.setdefault(slot, {}).setdefault(word, []).append(value)
    found = {name: _occupancy(name, words, active(lines)) for name, words in said.items()}
    if "only draining" in lines:
        return {name: o for name, o in found.items() if o.state is State.DRAINING}
    return {name: o for name, o in found.items() if name in settings.slots or o.state is not State.EMPTY}


def _occupancy(name: str, words: dict[str, list[str]], serving: str) -> Occupancy:
    one = {word: values[0] for word, values in words.items()}
    observed = Slot.observed(one.get("state", ""), one.get("stamp", ""))
    state = State.ACTIVE if (observed.state, name) == (slots.State.RUNNING, serving) else State(observed.state.value)
    since = _moment(one.get("left", "")) if state is State.DRAINING else None
    patience = seconds(one.get("timeout", ""))
    return Occupancy(
        slot=name,
        state=state,
        generation=observed.generation,
        release=one.get("release", "").rpartition("/")[2],
        rooms=_count(one.get("rooms")),
        participants=_count(one.get("participants")),
        unjoined=tuple(map(_room, words.get("unjoined", []))) if "debug" in words else None,
        websockets=_count(one.get("websockets")),
        since=since,
        deadline=None if since is None or patience is None else since + patience,
    )


def words(one: Occupancy) -> str:
    """A slot that drains, in a sentence."""
    who = "who is on it is not known"
    if one.participants is not None and one.rooms is not None:
        who = f"{one.participants} participants in {one.rooms} rooms"
    if one.deadline is None:
        return f"slot {one.slot} drains: {who}"
    return f"slot {one.slot} drains: {who}, until {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(one.deadline))}"


def _count(text: str | None) -> int | None:
    """A number as Prometheus writes it ("2", "1e+06")."""
    try:
        return int(float(text or ""))
    except (ValueError, OverflowError):
        return None


def _room(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted


def _moment(text: str) -> int | None:
    """Unix seconds of "Sat 2026-11-21 11:57:29 UTC"."""
    try:
        return calendar.timegm(time.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC"))
    except ValueError:
        return None


_SPANS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "month": 2629800,
    "y": 31557600,
}


def seconds(span: str) -> int | None:
    """A length of time as systemd shows it ("1min 30s", "5h"; systemd.time(7)); None for "infinity"."""
    parts = [re.fullmatch(r"(\d+)([a-z]+)", part) for part in span.split()]
    if not parts or any(p is None or p[2] not in _SPANS for p in parts):
        return None
    return int(sum(int(p[1]) * _SPANS[p[2]] for p in parts if p))
