"""Whether a run of this account on this machine still lives: by a file that each run keeps locked while it does.

A process number would tell less: it is given away again, a container has numbers of its own, and where a process is to
be looked up differs between systems.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import time
import uuid
from functools import cache
from pathlib import Path
from typing import IO

from livekit_metal.core import user_dirs

_OLD = 30 * 86400.0  # s after which what a killed run has left behind is removed


def _directory() -> Path:
    return user_dirs.cache() / "runs"


@cache
def mine() -> str:
    """The name of this run, which :func:`gone` knows here. Raises OSError when the cache cannot be written."""
    directory = _directory()
    directory.mkdir(parents=True, exist_ok=True)
    _tidy(directory)
    path = directory / uuid.uuid4().hex
    file = path.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    atexit.register(_forget, path, file)
    return path.name


def gone(name: str) -> bool:
    """Certain, when True; a run elsewhere, or of another account, is not known here."""
    if not name.isalnum():  # what a host says goes into no path
        return False
    try:
        with (_directory() / name).open() as file:
            return _free(file)
    except OSError:
        return False


def _free(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _forget(path: Path, file: IO[str]) -> None:
    path.unlink(missing_ok=True)
    file.close()


def _tidy(directory: Path) -> None:
    for path in directory.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _OLD and gone(path.name):
                path.unlink()
