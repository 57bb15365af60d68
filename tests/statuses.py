"""procedures/status.py as an operator starts it: pyinfra as a program, without -y."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.deploys import PYINFRA, Told
from tests.lab import INVENTORY, ROOT

STATUS = "procedures/status.py"


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
