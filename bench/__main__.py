"""``python -m bench``: how long a deploy takes that has nothing to do, against pyinfra's own floor, and where.

The floor is what pyinfra needs to connect and run one command (`exec -- true`). Runs are interleaved, the median
counts; machines are noisy, so only the ratio means something. Exit status 1 when a deploy changed anything.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

RUNS = 7
TARGET = 1.2
_ROOT = Path(__file__).parents[1]
_INVENTORY = os.environ.get("INVENTORY", "inventories/lab.py")
_KINDS = {
    "floor": ("-y", _INVENTORY, "exec", "--", "true"),
    "no-op": ("-y", "--json", _INVENTORY, "deploy.py"),
    "dry": ("--dry", _INVENTORY, "deploy.py"),
}
_SAID = {
    "floor": "pyinfra's floor (exec -- true)",
    "no-op": "deploy with nothing to do",
    "dry": "the same, --dry",
}
_BAR = 40  # characters of the longest

Marks = list[tuple[str, float, float]]


def _run(kind: str) -> Marks:
    """The phases of one run: name, seconds that passed until its end, seconds that were computed."""
    environment = os.environ | {"PYINFRA_PROGRESS": "off", "PYTHONPATH": str(_ROOT)}
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        done = subprocess.run(
            [sys.executable, "-m", "bench.phases", file.name, *_KINDS[kind]],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(_KINDS[kind])} failed; is the lab deployed (make lab)?\n{done.stderr[-2000:]}")
        if kind == "no-op" and json.loads(done.stdout)["results"]["totals"]["success"]:
            sys.exit("the deploy changed something: deploy once more and look at what it says")
        return [(name, passed, computed) for name, passed, computed in json.load(file)]


def _lasting(marks: Marks) -> dict[str, tuple[float, float]]:
    """How long each phase took: seconds that passed, and that were computed."""
    found: dict[str, tuple[float, float]] = {}
    passed = computed = 0.0
    for name, at, cpu in marks:
        before = found.get(name, (0.0, 0.0))
        found[name] = (before[0] + at - passed, before[1] + cpu - computed)
        passed, computed = at, cpu
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="a deploy with nothing to do")
    parser.add_argument("--runs", type=int, default=RUNS)
    count = parser.parse_args(words).runs
    taken: dict[str, list[Marks]] = {kind: [] for kind in _KINDS}
    for _ in range(count):
        for kind, each in taken.items():
            each.append(_run(kind))
    print(f"median of {count} interleaved runs (least to most), {_INVENTORY}")
    whole = {kind: sorted(marks[-1][1] for marks in each) for kind, each in taken.items()}
    floor = statistics.median(whole["floor"])
    for kind, said in _SAID.items():
        took = statistics.median(whole[kind])
        print(f"  {said:31}{took:7.3f} s  ({whole[kind][0]:.3f} to {whole[kind][-1]:.3f})  {took / floor:5.2f} x")
    print(f"  target of a deploy with nothing to do: {TARGET} x")
    _plot("where a deploy with nothing to do spends its time", taken["no-op"], taken["floor"])


def _plot(title: str, runs: Sequence[Marks], floor: Sequence[Marks]) -> None:
    medians, below = _medians(runs), _medians(floor)
    longest = max(passed for passed, _ in medians.values())
    print(f"\n{title} (ms: passed, computed; of the floor, passed)")
    for name, (passed, computed) in medians.items():
        bar = "#" * round(passed / longest * _BAR)
        least = f"{below[name][0] * 1000:6.0f}" if name in below else f"{'':6}"
        print(f"  {name:42}{passed * 1000:6.0f} {computed * 1000:6.0f} {least}  {bar}".rstrip())


def _medians(runs: Sequence[Marks]) -> Mapping[str, tuple[float, float]]:
    lasting = [_lasting(marks) for marks in runs]
    return {
        name: (
            statistics.median(each[name][0] for each in lasting),
            statistics.median(each[name][1] for each in lasting),
        )
        for name in lasting[0]
    }


if __name__ == "__main__":
    main()
