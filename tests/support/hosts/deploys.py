"""Deploys as an operator starts them: pyinfra as a program, its words and its exit status."""

from __future__ import annotations

import copy
import json
import os
import queue
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.hosts.lab import INVENTORY, ROOT

PYINFRA = Path(sys.executable).with_name("pyinfra")
DEPLOY = "deploy.py"
STEP = re.compile(r"\[(?P<host>[\w.-]+)\] (?P<step>[a-z-]+: .+)")  # what a role prints before each change
OPERATION = "--> Starting operation: "
LONGEST = 300  # s for a deploy: an emulated machine is ten times slower than others


@dataclass(frozen=True)
class Told:
    """What an operator got: the exit status (minus the signal that ended pyinfra), and everything on the screen."""

    status: int
    text: str

    def refused(self, *words: str) -> None:
        """Assert that this run ended as bad input should: a message with all of ``words``, and no traceback."""
        assert self.status > 0, self.text
        assert "Traceback" not in self.text, self.text
        for word in words:
            assert word in self.text, f"{word!r} is not in what was said:\n{self.text}"
        line = next((line for line in self.text.splitlines() if all(word in line for word in words)), "")
        assert re.search(r"\S: .+; .+", line), f"no line reads as path: fact; remedy with {words}:\n{self.text}"


class Deploy:
    """A deploy that runs (or another ``plan``). Its lines arrive while it does."""

    def __init__(self, inventory: str | Path = INVENTORY, *words: str, plan: str = DEPLOY, **environ: str) -> None:
        self.began = time.time()
        self.lines: list[str] = []
        self._arriving: queue.Queue[str | None] = queue.Queue()
        self._over = False
        self.process = subprocess.Popen(
            [str(PYINFRA), "-y", str(inventory), plan, *words],
            cwd=ROOT,
            env=os.environ | {"PYINFRA_PROGRESS": "off", "PYTHONUNBUFFERED": "1"} | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arriving.put(re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip())
        self._arriving.put(None)

    def until(self, wanted: Callable[[str], bool], within: float = 60) -> str:
        """The next line that is ``wanted``; '' when the run ended without one."""
        end = time.monotonic() + within
        while not self._over:
            try:
                line = self._arriving.get(timeout=end - time.monotonic())
            except (queue.Empty, ValueError):
                self.process.kill()
                raise AssertionError(f"nothing came within {within} s:\n" + "\n".join(self.lines)) from None
            if line is None:
                self._over = True
                break
            self.lines.append(line)
            if wanted(line):
                return line
        return ""

    def end(self, number: int | None = None, within: float = LONGEST) -> Told:
        """Wait for the end, after sending signal ``number`` if given."""
        if number is not None:
            self.process.send_signal(number)
        self.until(lambda line: False, within)
        return Told(self.process.wait(timeout=10), "\n".join(self.lines))

    def kill(self) -> Told:
        """End it as a power cut of the controller would."""
        return self.end(signal.SIGKILL)


def deploy(inventory: str | Path = INVENTORY, *words: str, **environ: str) -> Told:
    """A deploy from start to end."""
    return Deploy(inventory, *words, **environ).end()


def outcome(inventory: str | Path = INVENTORY, *words: str, **environ: str) -> tuple[dict[str, Any], str]:
    """What ``--json`` says of a deploy, {"totals": {"success": …, "error": …}, …}, and its own last words.

    The deploy must have succeeded.
    """
    command = [str(PYINFRA), "-y", "--json", str(inventory), DEPLOY, *words]
    environment = os.environ | environ
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)["results"]
    return results, done.stderr


def unchanging(inventory: str | Path = INVENTORY, **environ: str) -> None:
    """Assert that a deploy finds nothing to do: no operation executed anything, none failed."""
    results, said = outcome(inventory, **environ)
    totals = results["totals"]
    assert totals["success"] == totals["error"] == 0, f"it changed something:\n{results}\n{said}"


def plain() -> dict[str, Any]:
    """The site of the inventory under test, as plain data."""
    data: dict[str, Any] = copy.deepcopy(runpy.run_path(str(ROOT / INVENTORY))["site"])
    return data


def variant(directory: Path, changes: Mapping[str, Any], name: str = "variant") -> Path:
    """An inventory file like the one under test, with ``changes`` merged into it."""
    named = {"prometheus": {"site": Path(INVENTORY).stem}}  # as it is there, whatever the file is called here
    site = merged(merged(named, plain()), changes)
    path = directory / f"{name}.py"
    path.write_text(f"from livekit_metal import load\n\nsite = {site!r}\nhosts = load(site, __file__)\n")
    return path


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(old)
    for key, value in new.items():
        nested = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = merged(both[key], value) if nested else value
    return both
