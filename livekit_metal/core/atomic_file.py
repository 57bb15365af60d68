"""A file that is written whole or not at all, and never over somebody else's change."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError

_AGAIN = "run the same command again"


def read(path: Path) -> bytes | None:
    """The bytes of ``path``, None when there is no such file. Raises SiteError when it cannot be read.

    A link that leads to nothing is an error: what it led to may lie on a disk that is not mounted.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            fact = f"is a link to {path.readlink()}, which is not there"
            raise _refused(path, fact, "bring that back (is a disk not mounted?), or remove the link") from None
        return None
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})", "make it readable to you") from None


def replace(path: Path, data: bytes, *, was: bytes | None, mode: int = 0o600) -> None:
    """Write ``data`` whole or not at all, with ``mode``, provided that ``path`` still holds ``was`` (None: no file).

    Where ``path`` is a link it stays one: what it leads to is written.

    A run killed on the way leaves the old file and a ``.new`` beside it that the next write takes over.
    Raises SiteError when somebody else changed the file or is writing it now, or when the disk refuses.
    """
    target = Path(os.path.realpath(path))
    try:
        with _claimed(target, path) as (new, handle):
            unchanged(path, was)
            os.ftruncate(handle, 0)
            with open(handle, "wb", closefd=False) as file:
                file.write(data)
            os.fchmod(handle, mode)
            os.fsync(handle)
            new.replace(target)
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise _refused(path, f"cannot be written ({error.strerror})", f"look at {target.parent}") from None


def unchanged(path: Path, was: bytes | None) -> None:
    """Raises SiteError unless ``path`` still holds ``was`` (None: no file)."""
    if (now := read(path)) != was:
        fact = "has appeared" if was is None else "is gone" if now is None else "was changed by somebody else"
        raise _refused(path, f"{fact} since this run began, nothing was written", _AGAIN)


@contextmanager
def _claimed(path: Path, told: Path) -> Iterator[tuple[Path, int]]:
    """The ``.new`` of ``path``, 0600, locked against other runs; the kernel frees the lock of a dead one.

    ``told`` is what the operator calls ``path``.
    """
    new = path.with_name(f".{path.name}.new")
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The other run may have renamed the file that we opened into place: then it is no longer ours.
            mine = os.path.samestat(os.fstat(handle), os.lstat(new))
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise _refused(told, "another run is writing it", _AGAIN)
        os.fchmod(handle, 0o600)
        try:
            yield new, handle
        except Exception:
            new.unlink(missing_ok=True)
            raise
    finally:
        os.close(handle)


def _refused(path: Path, fact: str, remedy: str) -> SiteError:
    return SiteError([Problem(str(path), fact, remedy)])
