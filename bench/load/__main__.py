"""``make test-load``: what livekit-server costs, with stock configuration, with ours, and with candidates.

Everything is on loopback. The generator (generator/main.go) joins, sends and drops what it receives; what counts is the
server's own CPU in a window of seconds, for each packet that somebody has received in it. Runs are interleaved, and
only ratios mean something on another machine. A run in which the generator was kept from its work is thrown away.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
from collections.abc import Sequence

from bench.load.run import Cost, StarvedError, Workload, measured
from bench.load.server import Kind, kinds

WORKLOADS = {
    "sound2": ("sound, rooms of 2", Workload(20, 2)),
    "sound5": ("sound, rooms of 5", Workload(6, 5)),
    "720p": ("720p, rooms of 4", Workload(3, 4, video=1500)),
    "1080p": ("1080p, rooms of 2", Workload(4, 2, video=3000)),
    "room100": ("a room of 100, 2 of whom send sound", Workload(1, 100, 2)),
}
_PATIENCE = 4  # runs that are thrown away, for each one that is wanted


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20, help="of the window that is measured")
    parser.add_argument("--kinds", nargs="*", help="which configurations; all")
    parser.add_argument("--workloads", nargs="*", choices=WORKLOADS, help="all")
    given = parser.parse_args(words)
    compared = {name: kind for name, kind in kinds().items() if not given.kinds or name in given.kinds}
    if "GOAMD64=v3" in (given.kinds or ["GOAMD64=v3"]) and "GOAMD64=v3" not in compared:
        print("without GOAMD64=v3: this processor, or the source of the program, does not have it")
    print(f"microseconds of livekit-server's CPU for each packet received; median of {given.runs} interleaved runs")
    for name in given.workloads or WORKLOADS:
        what, workload = WORKLOADS[name]
        costs, thrown = rounds(compared, workload, given.runs, given.seconds)
        print(f"\n{what}")
        print("\n".join(table(costs, thrown, workload)), flush=True)


def rounds(
    compared: dict[str, Kind], workload: Workload, runs: int, seconds: int
) -> tuple[dict[str, list[Cost]], dict[str, list[str]]]:
    """``runs`` of each kind in turns; and why others were thrown away."""
    costs: dict[str, list[Cost]] = {name: [] for name in compared}
    thrown: dict[str, list[str]] = {name: [] for name in compared}
    for turn in range(1, runs + 1):
        for name, kind in compared.items():
            while len(costs[name]) < turn and len(thrown[name]) < _PATIENCE * turn:
                try:
                    cost = measured(kind, workload, seconds)
                except StarvedError as error:
                    thrown[name].append(str(error))
                    print(f"{name}: thrown away, {error}", file=sys.stderr, flush=True)
                else:
                    costs[name].append(cost)
                    print(f"{name}: {cost.each:.1f}", file=sys.stderr, flush=True)
    return costs, thrown


def table(costs: dict[str, list[Cost]], thrown: dict[str, list[str]], workload: Workload) -> list[str]:
    """A line for each kind; ratios are to the first."""
    first = next(iter(costs.values()))
    base = statistics.median(cost.each for cost in first) if first else 0
    lines = []
    for name, each in costs.items():
        left = f", {len(thrown[name])} thrown away ({thrown[name][-1]})" if thrown[name] else ""
        if not each:
            lines.append(f"  {name:12}nothing{left}")
            continue
        values, rooms = sorted(cost.each for cost in each), sorted(cost.rooms(workload) for cost in each)
        middle, rate = statistics.median(values), statistics.median(cost.rate for cost in each)
        memory = statistics.median(cost.memory for cost in each)
        ratio = f"{middle / base:5.2f} x" if base else "      -"
        lines.append(
            f"  {name:12}{middle:5.0f} {f'({values[0]:.0f} to {values[-1]:.0f})':14}{ratio}   {rate:6.0f} packets/s"
            f" {memory:5.0f} MB   {statistics.median(rooms):5.1f} {f'({rooms[0]:.1f} to {rooms[-1]:.1f})':16} a core"
            f"   {len(each)} runs{left}"
        )
    return lines


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # daemons end with it
    main()
