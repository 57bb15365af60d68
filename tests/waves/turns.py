"""When hosts were at work on their slots, as the hosts' own journals have it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from testinfra.host import Host

# What systemd says of a slot that is started, of the end of a proof, and of a slot that is told to drain. That one has
# ended which drained is nobody's work.
_WORK = ("Starting ", "Started ", "Stopping ")
_ASKED = "journalctl -q --no-pager -o json --output-fields=MESSAGE -u 'livekit-server@*' _PID=1 --since=@%d"


@dataclass(frozen=True)
class Turn:
    """From the first to the last thing that a host did; Unix seconds. The hosts of a lab share a clock."""

    began: float
    ended: float


def turns(hosts: Mapping[str, Host], since: float) -> dict[str, Turn]:
    """Those of the hosts on which a slot was started since then (Unix time)."""
    found = {}
    for name, host in hosts.items():
        lines = [json.loads(line) for line in host.check_output(_ASKED % since).splitlines()]
        at = [int(each["__REALTIME_TIMESTAMP"]) / 1e6 for each in lines if each["MESSAGE"].startswith(_WORK)]
        if at:
            found[name] = Turn(min(at), max(at))
    return found


def waves(seen: Mapping[str, Turn]) -> list[set[str]]:
    """The hosts in the order of time; together are those of which one had not ended when the next began."""
    found: list[set[str]] = []
    ends = 0.0
    for name, turn in sorted(seen.items(), key=lambda each: each[1].began):
        if not found or turn.began > ends:
            found.append(set())
        found[-1].add(name)
        ends = max(ends, turn.ended)
    return found


def all_at_once(seen: Iterable[Turn]) -> bool:
    """Whether there was a moment at which all of them were at work."""
    listed = list(seen)
    return max(turn.began for turn in listed) < min(turn.ended for turn in listed)
