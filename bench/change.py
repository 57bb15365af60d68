"""``python -m bench.change``: a change of livekit-server on a deployed lab host, and what each of its seconds is for.

The setting is another in each run; the lab is as its inventory says afterwards. A step ends when the next is said, so
what is told of one is all that passes until then. The median counts; machines are noisy.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
_INVENTORY = os.environ.get("INVENTORY", "inventories/lab.py")
_RUNS = 5
BEFORE, AFTER = "until the first step: connect, look, plan", "looks between turns, and the end"
_STEP = re.compile(r" +\[[\w.-]+\] ((?:[\w-]+): .+)")
_SLOT, _GENERATION = re.compile(r"slot [a-z]: |, slots? [a-z].*"), re.compile(r"\b[0-9a-f]{16}\b")
_OVER = re.compile(r" +\[[\w.-]+\] (Success|No changes)$|^--> ")


def other(inventory: str, directory: Path, number: int, **more: Any) -> Path:
    """A file of the inventory's site with another setting of livekit-server, and ``more``."""
    site: dict[str, Any] = runpy.run_path(str(_ROOT / inventory))["site"] | more
    site["livekit"] = {**site["livekit"], "room": {"empty_timeout": number}}
    site["prometheus"] = {**site.get("prometheus", {}), "site": Path(inventory).stem}  # its name: the file's otherwise
    path = directory / f"site{number}.py"
    path.write_text(f"from livekit_metal import load\n\nsite = {site!r}\nhosts = load(site, __file__)\n")
    return path


def steps(lines: Iterator[str], now: Iterator[float]) -> dict[str, float]:
    """Step -> seconds until what came after it; ``lines`` as they come, and ``now`` when each of them did."""
    found: dict[str, float] = {}
    last, doing = next(now), BEFORE
    for line, at in zip(lines, now, strict=False):
        step, over = _STEP.match(line), _OVER.match(line)
        if not step and not over:
            continue
        found[doing] = found.get(doing, 0.0) + at - last
        last = at
        if step:
            doing = _GENERATION.sub("the generation", _SLOT.sub("", step[1]))
        elif doing != BEFORE:
            doing = AFTER
    return found


def _deploy(inventory: str | Path) -> dict[str, float]:
    """The steps of one deploy. Ends the program when it fails."""
    words = [sys.executable, "-u", "-m", "pyinfra", "-y", str(inventory), "deploy.py"]
    environment = os.environ | {"PYINFRA_PROGRESS": "off", "PYTHONPATH": str(_ROOT)}
    said: list[str] = []

    def heard(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            said.append(line)
            yield line

    with subprocess.Popen(
        words, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as run:
        assert run.stdout is not None
        found = steps(heard(run.stdout), iter(time.monotonic, None))
    if run.returncode:
        sys.exit(f"{' '.join(words[3:])} failed; is the lab deployed?\n{''.join(said)[-3000:]}")
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.change", description="what each second of a change is for")
    parser.add_argument("--runs", type=int, default=_RUNS)
    count = parser.parse_args(words).runs
    numbers = itertools.count(int(time.time()) % 10_000 + 1000)
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        _deploy(_INVENTORY)
        runs = [_deploy(other(_INVENTORY, Path(made), next(numbers))) for _ in range(count)]
        _deploy(_INVENTORY)
    whole = [sum(each.values()) for each in runs]
    print(f"median of {count} runs, seconds; {os.cpu_count()} cores")
    for step in runs[0]:
        print(f"  {statistics.median(each.get(step, 0.0) for each in runs):6.2f}  {step}")
    print(f"  {statistics.median(whole):6.2f}  all ({min(whole):.2f} to {max(whole):.2f})")


if __name__ == "__main__":
    main()
