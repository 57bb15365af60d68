"""Labs that a measurement makes for itself; their name is LAB's, as ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def fresh(hosts: int) -> None:
    """Have a lab of that many hosts, on which nothing was deployed."""
    remove()
    _lab("up", "--hosts", str(hosts))


def remove() -> None:
    _lab("down")


def _lab(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "lab", *words], cwd=ROOT, check=True, capture_output=True)
