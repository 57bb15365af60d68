"""Deploys that are killed, one at each step of every role.

The places to kill at are not chosen here: a run is killed at the first place where none was killed before, and this is
repeated until one comes to its end. So every step that a role has, or will have, is met.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.support.deploys import OPERATION, STEP, Deploy

MACHINE = "livekit: slot "  # test_machine_killed.py has a test for each of these steps


def _point(line: str) -> str:
    """The place in a deploy that ``line`` tells: a step of a role, or the beginning of an operation; else ''."""
    if (found := STEP.search(line)) and not found["step"].startswith(MACHINE):
        return re.sub(r"\b[0-9a-f]{16}$", "GENERATION", found["step"])  # it differs from host to host
    return line if line.startswith(OPERATION) else ""


def killed_everywhere(inventory: str | Path, quiet: Callable[[], object], **environ: str) -> list[str]:
    """The places where deploys were killed; the last one, which was not, has succeeded.

    ``quiet`` waits until no command that a killed deploy left behind runs any more.
    """
    points: list[str] = []
    while True:
        running = Deploy(inventory, **environ)
        reached = running.until(lambda line: bool(_point(line)) and _point(line) not in points, within=180)
        if not reached:
            ended = running.end()
            assert ended.status == 0, f"killed at {points}, then:\n{ended.text}"
            return points
        points.append(_point(reached))
        running.kill()
        quiet()
