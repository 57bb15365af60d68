"""Deploys that are killed, one at each step of every role.

A run is killed at the first place where none was killed before, and this is repeated until one comes to its end. Where
the places are not chosen, every step that a role has, or will have, is met (`make test-faults`); `make test` chooses
those where the most is half done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from testinfra.host import Host

from tests.support.hosts.deploys import OPERATION, STEP, Deploy

MACHINE = "livekit: slot "  # test_machine_killed.py has a test for each of these steps


def _point(line: str) -> str:
    """The place in a deploy that ``line`` tells: a step of a role, or the beginning of an operation; else ''."""
    if (found := STEP.search(line)) and not found["step"].startswith(MACHINE):
        return re.sub(r"\b[0-9a-f]{16}$", "GENERATION", found["step"])  # it differs from host to host
    return line if line.startswith(OPERATION) else ""


def settled(host: Host) -> None:
    """Wait until no command that a killed deploy left behind runs any more."""
    host.check_output("flock -w 60 -x /run/livekit-metal.work true")


def killed(
    inventory: str | Path, quiet: Callable[[], object], chosen: Sequence[str] | None, **environ: str
) -> list[str]:
    """The places where deploys were killed; the last one, which was not, has succeeded.

    ``chosen``: once at the first step that begins so, for each; None: at every step. ``quiet`` waits until no command
    that a killed deploy left behind runs any more.
    """
    points: list[str] = []

    def here(line: str) -> bool:
        point = _point(line)
        if chosen is None:
            return bool(point) and point not in points
        return any(point.startswith(each) and not any(p.startswith(each) for p in points) for each in chosen)

    while True:
        running = Deploy(inventory, **environ)
        reached = running.until(here, within=180)
        if not reached:
            ended = running.end()
            assert ended.status == 0, f"killed at {points}, then:\n{ended.text}"
            return points
        points.append(_point(reached))
        running.kill()
        quiet()
