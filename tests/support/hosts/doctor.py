"""The doctor as people start it: exit status and rows."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livekit_metal.call.access import Access
from tests.support.hosts.deploys import PYINFRA
from tests.support.hosts.lab import INVENTORY, ROOT

Rows = list[dict[str, Any]]


def doctor(*words: str, inventory: str | Path = INVENTORY, within: Sequence[str] = ()) -> tuple[int, Rows]:
    """pyinfra's form; ``within`` is a command that runs it."""
    command = [*within, str(PYINFRA), str(inventory), "procedures/doctor.py", "--data", "json=yes", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)
    return done.returncode, _rows(done.stdout, done.stderr)


def laptop(access: Access, within: Sequence[str] = ()) -> tuple[int, Rows]:
    """The form for who has nothing but URL and keys."""
    command = [*within, sys.executable, "-m", "procedures.doctor", "--access", "-", "--json"]
    environment = {k: v for k, v in os.environ.items() if k not in ("LAB", "INVENTORY")}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        input=json.dumps(dataclasses.asdict(access)),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    return done.returncode, _rows(done.stdout, done.stderr)


def _rows(said: str, why: str) -> Rows:
    lines = [line for line in said.splitlines() if line.startswith('{"time"')]
    assert len(lines) == 1, said + why
    rows: Rows = json.loads(lines[0])["rows"]
    return rows


def failing(rows: Rows) -> list[tuple[str, str]]:
    return [(row["check"], row["about"]) for row in rows if row["result"] in ("failed", "unknown")]
