"""The power switch of lab hosts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.hosts.lab import ROOT

Power = Callable[[str, str], None]


@pytest.fixture
def power() -> Iterator[Power]:
    """``power("kill", "lk2")``, ``power("start", "lk2")``, ``power("reboot", "lk2")``; a dead host is started again."""
    dead: set[str] = set()

    def turn(verb: str, name: str) -> None:
        subprocess.run([sys.executable, "-m", "lab", verb, name], cwd=ROOT, check=True, timeout=200, env=os.environ)
        (dead.add if verb == "kill" else dead.discard)(name)

    yield turn
    for name in list(dead):
        turn("start", name)
