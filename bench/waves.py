"""``python -m bench.waves``: deploys of many hosts beside those of one, in turns, on a deployed lab of ten.

``inventories/lab_waves.py`` with nothing to do, and with another setting of livekit-server: on one host, and on all of
them one by one and in waves of three. ``--first`` makes labs of one host and of all instead, named by LAB as ever, and
takes the time of their first deploys. Machines are noisy: only ratios within one run mean something.
"""

from __future__ import annotations

import argparse
import itertools
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import labs
from bench.change import other

_ROOT = Path(__file__).parents[1]
_INVENTORY = "inventories/lab_waves.py"
_HOSTS = 10
_RUNS = 3
_ONE, _ALL = "one host", "all hosts"

Kinds = Mapping[str, Mapping[str, Callable[[], float]]]  # what is deployed -> on which hosts -> seconds of one run


def _deploy(inventory: str | Path, *words: str) -> float:
    """Seconds of a deploy. Ends the program when it fails."""
    command = [sys.executable, "-m", "pyinfra", "-y", str(inventory), "deploy.py", *words]
    environment = os.environ | {"PYINFRA_PROGRESS": "off", "PYTHONPATH": str(_ROOT)}
    began = time.monotonic()
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, env=environment, check=False)
    took = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{' '.join(command[2:])} failed; is the lab deployed?\n{(done.stdout + done.stderr)[-3000:]}")
    return took


def _kinds(directory: Path) -> Kinds:
    site: dict[str, Any] = runpy.run_path(str(_ROOT / _INVENTORY))["site"]
    canary = next(iter(site["hosts"]))
    numbers = itertools.count(int(time.time()) % 10_000 + 1000)

    def changed(wave: int, *words: str) -> float:
        return _deploy(other(_INVENTORY, directory, next(numbers), rollout={"wave": wave}), *words)

    only = ("--limit", canary)
    return {
        "nothing to do": {_ONE: lambda: _deploy(_INVENTORY, *only), _ALL: lambda: _deploy(_INVENTORY)},
        "a change of livekit-server": {
            _ONE: lambda: changed(1, *only),
            f"{_ALL}, one by one": lambda: changed(1),
            f"{_ALL}, waves of 3": lambda: changed(3),
        },
    }


def _first(hosts: int) -> float:
    """Seconds of the first deploy of a lab that is made for it."""
    labs.fresh(hosts)
    return _deploy(_INVENTORY)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.waves", description="deploys of ten hosts beside one")
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument("--first", action="store_true", help="first deploys, on labs that are made and removed")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        first: Kinds = {"first deploy": {_ONE: lambda: _first(1), _ALL: lambda: _first(_HOSTS)}}
        kinds = first if given.first else _kinds(Path(made))
        taken: dict[tuple[str, str], list[float]] = {}
        try:
            for _ in range(given.runs):
                for kind, where in kinds.items():
                    if not given.first:
                        _deploy(_INVENTORY)  # as the lab is
                    for who, run in where.items():
                        taken.setdefault((kind, who), []).append(run())
        finally:
            labs.remove() if given.first else _deploy(_INVENTORY)
    print(f"median of {given.runs} interleaved runs (least to most), seconds; {os.cpu_count()} cores")
    for (kind, who), took in taken.items():
        middle, one = statistics.median(took), statistics.median(taken[kind, _ONE])
        print(f"  {kind:28}{who:24}{middle:7.1f}  ({min(took):.1f} to {max(took):.1f})   {middle / one:5.1f} x")


if __name__ == "__main__":
    main()
