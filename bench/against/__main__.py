"""``python -m bench.against``: a deploy of ours and the same end state by Ansible, in turns, on a deployed lab.

Nothing to do, and a change of one line (how long Prometheus keeps metrics), near and over a line of 20 ms. That both
lead to the same is proved by each finding nothing to do after the other. Ansible needs python3 and python3-apt on
hosts, and gets them; all else is as before in the end. ``--first`` makes the lab again for each run and takes the time
of a first deploy; it is removed in the end.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.against.delay import delayed
from bench.against.first import first
from bench.against.tree import wanted
from bench.against.ways import Hosts, ansible, needs_python, ours, table

_RUNS = 5
_ROUND_TRIP = 0.02  # s
_DAYS = (15, 16)  # Prometheus' default, and another

Ways = Mapping[str, Callable[[int], tuple[float, int]]]  # name -> a run with so many days


@contextlib.contextmanager
def _far(hosts: Hosts, directory: Path) -> Iterator[Hosts]:
    """The same hosts at the end of a long line."""
    with contextlib.ExitStack() as stack:
        at = {
            name: ("127.0.0.1", stack.enter_context(delayed(address, port, _ROUND_TRIP / 2)))
            for name, (address, port) in hosts.at.items()
        }
        lines = [line.split() for line in Path(hosts.known_hosts).read_text().splitlines()]
        keys = {name: line[1:] for line in lines for name in line[0].split(",")}
        known = directory / "known_hosts"
        known.write_text(
            "".join(f"[127.0.0.1]:{at[name][1]} {' '.join(keys[hosts.at[name][0]])}\n" for name in hosts.at)
        )
        yield replace(hosts, at=at, known_hosts=str(known))


def _ways(hosts: Hosts, trees: Mapping[int, Mapping[str, Mapping[str, object]]], directory: Path) -> Ways:
    return {
        "livekit-metal": lambda days: ours(hosts, days),
        "ansible": lambda days: ansible(hosts, trees[days], directory, mitogen=False),
        "mitogen": lambda days: ansible(hosts, trees[days], directory, mitogen=True),
    }


def _measured(ways: Ways, runs: int, *, changes: bool) -> dict[str, dict[str, list[float]]]:
    """Kind -> way -> seconds of each run. Ends the program when a run did not do what its kind says."""
    kinds = ("nothing to do", "one line") if changes else ("nothing to do",)
    found: dict[str, dict[str, list[float]]] = {kind: {way: [] for way in ways} for kind in kinds}
    now = _DAYS[0]
    for _ in range(runs):
        for way, run in ways.items():
            took, changed = run(now)
            if changed:
                sys.exit(f"{way} found {changed} things to change where there were none")
            found["nothing to do"][way].append(took)
        for way, run in ways.items() if changes else ():
            now = _DAYS[0] if now == _DAYS[1] else _DAYS[1]
            took, changed = run(now)
            if not changed:
                sys.exit(f"{way} found nothing to change where a line was to be")
            found["one line"][way].append(took)
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.against")
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument("--inventory", default="inventories/lab.py")
    parser.add_argument("--near", action="store_true", help="leave out the line of 20 ms")
    parser.add_argument("--unchanged", action="store_true", help="leave out the change of one line")
    parser.add_argument("--first", action="store_true", help="a first deploy, on labs that are made and removed")
    given = parser.parse_args(words)
    near = Hosts.of_lab(given.inventory)
    hosts = f"{len(near.at)} host{'' if len(near.at) == 1 else 's'}"
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        directory = Path(made)
        if given.first:
            print(f"{hosts}, median of {given.runs} interleaved runs (least to most), seconds")
            table("first deploy", first(near, directory, given.inventory, given.runs))
            return
        trees = {}
        for days in reversed(_DAYS):
            ours(near, days)
            (there := directory / str(days)).mkdir()
            trees[days] = wanted(near, days, there)
        needs_python(near)
        ansible(near, trees[_DAYS[0]], directory, mitogen=False)  # what it has otherwise, once
        print(f"{hosts}, median of {given.runs} interleaved runs (least to most), seconds")
        with contextlib.nullcontext() if given.near else _far(near, directory) as far:
            places = {"near": near} | ({f"{_ROUND_TRIP * 1000:.0f} ms away": far} if far else {})
            for place, there_ in places.items():
                ways_there = _ways(there_, trees, directory)
                for kind, ways in _measured(ways_there, given.runs, changes=not given.unchanged).items():
                    table(f"{kind}, {place}", ways)
                ours(near, _DAYS[0])


if __name__ == "__main__":
    main()
