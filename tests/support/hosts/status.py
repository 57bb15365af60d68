"""procedures/status.py as an operator starts it: pyinfra as a program, without -y."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.hosts.deploys import PYINFRA, Told
from tests.support.hosts.lab import INVENTORY, ROOT

STATUS = "procedures/status.py"
SOON = 30.0  # s until a slot's own numbers have followed; its hidden witnesses have left by then


def status(inventory: str | Path = INVENTORY, *words: str) -> Told:
    """What it prints on standard output, and its exit status. It may ask nothing: there is nobody to answer."""
    done = subprocess.run(
        [str(PYINFRA), str(inventory), STATUS, *words],
        cwd=ROOT,
        env=os.environ | {"PYINFRA_PROGRESS": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Told(done.returncode, done.stdout)


def hosts(inventory: str | Path = INVENTORY) -> dict[str, dict[str, Any]]:
    """Every host of ``--data json=yes``, which must be all of standard output."""
    said: dict[str, dict[str, Any]] = json.loads(status(inventory, "--data", "json=yes").text)["hosts"]
    return said


def until(name: str, slot: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What it says of a slot of the host ``name``, once that is as ``wanted``."""
    end = time.monotonic() + SOON
    while True:
        found: dict[str, Any] = hosts()[name]["slots"][slot]
        if wanted(found):
            return found
        assert time.monotonic() < end, found
