"""``python -m tests.run``: every lab the promises need, two at work at once, each gone afterwards.

What judges the media of calls has the machine for itself meanwhile. Prints what ran where and for how long; exit status
1 when anything failed. ``python -m tests.run NAME…`` runs only those rows; those of `make test-faults` only
then. To run a layer by hand nothing here is needed: tests/README.md.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.places import Lab
from lab.vm import places
from tests.rows import ROWS, Row
from tests.turns import Turns

_TELLING = re.compile(r"FAILED |ERROR |E   |lab: .*(not|cannot)|.*(No space|OSError)")
ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
TOGETHER = 2  # rows at work at once, on the two cores that `make test` is meant for
LABS = 5  # that are up at once; one that waits for its turn does next to nothing


class _Screen:
    """What several rows say at once, none in the middle of another's words."""

    def __init__(self, rows: int) -> None:
        self._one = rows == 1  # shown as it comes
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        with self._lock:
            sys.stdout.write(text)
            sys.stdout.flush()

    def arrived(self, text: str) -> None:
        if self._one:
            self.say(text)

    def over(self, title: str, text: str) -> None:
        """A step has ended; ``text`` is all that it said."""
        self.say(f"--> {title}\n" if self._one else f"--> {title}; it said:\n{text}")


def _started(command: list[str], environment: dict[str, str], arrived: Callable[[str], None]) -> tuple[int, str]:
    """Run a command to its end: (its exit status, all that it said)."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        whole, decode = "", codecs.getincrementaldecoder("utf-8")("replace").decode
        while piece := process.stdout.read(4096):
            arrived(text := decode(piece))
            whole += text
    return process.returncode, whole


@dataclass(frozen=True)
class _Ran:
    row: Row
    failed: list[str]
    telling: list[str]  # the lines that say why
    worked: float  # s, its waiting for a turn not counted

    @property
    def line(self) -> str:
        what = f"{self.row.hosts} host(s), {self.row.release}, {self.row.inventory}"
        said = "failed: " + ", ".join(self.failed) if self.failed else "passed"
        return f"    {self.row.name:8} {what:50} {said:30} {self.worked:6.0f} s"


def _machines(row: Row) -> dict[str, str]:
    """What the inventory of virtual machines reads from the environment, once they are there."""
    lab = Lab(row.name)
    return places.environment(lab) if places.is_virtual(lab) else {}


def _run(row: Row, turns: Turns, screen: _Screen) -> _Ran:
    environment = os.environ | {"LAB": row.name, "INVENTORY": row.inventory}
    said: list[str] = []
    worked = 0.0

    def step(*words: str, alone: bool = False) -> bool:
        nonlocal worked
        title = f"[{row.name}] {shlex.join(words)}"
        with turns.turn(alone=alone):
            screen.say(f"--> {title}\n")
            began = time.monotonic()
            status, text = _started([PYTHON, "-m", *words], environment | _machines(row), screen.arrived)
            took = time.monotonic() - began
        worked += took
        screen.over(f"{title}: exit status {status} after {took:.0f} s", text)
        said.extend(text.splitlines())
        return status == 0

    failed: list[str] = []
    try:
        hosts = ["--hosts", str(row.hosts), "--release", row.release]
        hosts += [*(["--hardened"] if row.hardened else []), *(["--vm", "--arch", row.arch] if row.vm else [])]
        if row.first and not (step("lab", "up", *hosts) and step("pytest", row.first)):
            failed.append(row.first)
        if not step("lab", *(["up", *hosts] if row.bare else ["demo", *hosts, "--inventory", row.inventory])):
            return _Ran(row, [*failed, "demo"], said[-20:], worked)
        for each in row.steps:
            words = shlex.split(each.words)
            if not step("pytest", *words, alone=each.alone):
                failed.append(words[0])
        if row.bench and not step("bench", alone=True):
            failed.append("bench")
    finally:
        if not step("lab", "down"):
            failed.append("down")
    return _Ran(row, failed, [line for line in said if _TELLING.match(line)] if failed else [], worked)


def main() -> int:
    chosen = [row for row in ROWS if row.name in sys.argv[1:] or not (sys.argv[1:] or row.asked)]
    turns, screen = Turns(TOGETHER), _Screen(len(chosen))
    began = time.monotonic()
    with ThreadPoolExecutor(LABS) as pool:
        ran = list(pool.map(lambda row: _run(row, turns, screen), chosen))
    # once more at the end, where whoever sees only the last page of a log finds it
    why = [f"[{each.row.name}] {line}" for each in ran for line in each.telling]
    print("\n".join(["", *why, "", *(each.line for each in ran)]))
    bad = sum(bool(each.failed) for each in ran)
    print(f"{len(ran) - bad} passed, {bad} failed in {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
