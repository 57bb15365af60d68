"""``python -m bench.load.joins``: what it costs that somebody joins, and that he is there: with and without the edge.

Nobody says a word. CPU is the processes' own accounting, so joins a second are for a core of their own; memory for one
participant is the difference between many and few, which a server's own start is not in.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.load.edge import edge
from bench.load.run import BUSY, Workload, joined
from bench.load.server import Kind, Server, kinds, running

WAYS: Mapping[str, bool | None] = {"none": None, "HAProxy": False, "HAProxy, TLS": True}  # whether it speaks TLS
_SETTLED = 5  # s after the last join


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one daemon: seconds of CPU for each join, and for each participant and second; MB in memory."""

    joining: float
    staying: float
    memory: float


@dataclass(frozen=True, slots=True)
class Each:
    """What one participant costs a daemon: ms of CPU to join, ms of CPU a second to stay, kB of memory."""

    joining: float
    staying: float
    memory: float


def seen(kind: Kind, tls: bool | None, people: int, seconds: int) -> list[Seen]:
    """The server, and HAProxy where there is one, with ``people`` in rooms of two."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(kind))
        door = None if tls is None else stack.enter_context(edge(tls=tls))
        daemons = [server, door.daemon] if door else [server]
        port, trusted = (door.port, door.trusted) if door else (server.port, None)
        before = _cpu(daemons)
        rooms, stay = Workload(people // 2, 2, senders=0), _SETTLED + seconds + 1
        load = stack.enter_context(joined(rooms, port, stay, "-join", "0s", trusted=trusted))
        then = _cpu(daemons)
        for _ in range(_SETTLED):
            load.second()
        first, began = _cpu(daemons), time.monotonic()
        for _ in range(seconds):
            load.second()
        last, passed = _cpu(daemons), time.monotonic() - began
        return [
            costs(then[i] - before[i], load.took, (last[i] - first[i]) / passed, people, daemon.memory)
            for i, daemon in enumerate(daemons)
        ]


def _cpu(daemons: Sequence[Server]) -> list[float]:
    return [daemon.cpu for daemon in daemons]


def costs(used: float, took: float, rate: float, people: int, memory: float) -> Seen:
    """Of ``used`` seconds until all had joined, what those who were in already cost meanwhile is no cost of joining."""
    return Seen((used - rate * took / 2) / people, rate / people, memory)


def each(few: Seen, many: Seen, more: int) -> Each:
    """From two runs, of which one has ``more`` people."""
    return Each(many.joining * 1e3, many.staying * 1e3, (many.memory - few.memory) * 1024 / more)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.load.joins")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="in which what staying costs is measured")
    parser.add_argument("--people", type=int, nargs=2, default=(50, 200), help="few and many")
    given = parser.parse_args(words)
    kind = kinds()["ours"]
    found: dict[str, list[list[Each]]] = {way: [] for way in WAYS}
    for _ in range(given.runs):
        for way, tls in WAYS.items():
            few, many = (seen(kind, tls, people, given.seconds) for people in given.people)
            more = given.people[1] - given.people[0]
            found[way].append([each(a, b, more) for a, b in zip(few, many, strict=True)])
    print(f"for each participant; median (least to most) of {given.runs} interleaved runs of {given.people}")
    print(f"{'in front':14}{'daemon':16}{'ms of CPU to join':22}{'ms/s to stay':22}{'kB':26}joins/s a core")
    for way, runs in found.items():
        print("\n".join(table(way, runs)), flush=True)


def table(way: str, runs: Sequence[Sequence[Each]]) -> list[str]:
    """A line for each daemon, and one for both: how often somebody can join when BUSY of one core is theirs."""
    lines = []
    for name, values in zip(("livekit-server", "HAProxy"), zip(*runs, strict=True), strict=False):
        middle = [_spread([getattr(value, what) for value in values]) for what in ("joining", "staying", "memory")]
        lines.append(f"{way:14}{name:16}{middle[0]:22}{middle[1]:22}{middle[2]:26}")
    rates = [BUSY * 1e3 / sum(value.joining for value in run) for run in runs]
    lines[-1] += _spread(rates)
    return lines


def _spread(values: Sequence[float]) -> str:
    digits = 2 if max(values) < 10 else 0
    least, most = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # daemons end with it
    main()
