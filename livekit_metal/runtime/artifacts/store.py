"""The controller's store of verified programs, shared by all sites of a user.

Contract: a file under ``sha256/`` had that sha256 when it was put there, and it was put there by one rename.

    sha256/<aa>/<sha256>   programs, 0755, named by their bytes
    made/<name>.json       which program came out of a source the last time (an index; may be removed), with a seal
                           by a key that lies elsewhere: who can write here alone cannot have his program taken for ours
    archives/              where an operator may put the archives of a controller without internet
    work/<name>/           a fetch under way; the next of the same artifact removes what a killed one left
    locks/<name>           one fetch of an artifact at a time (flock: free at once however a process ends)
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from livekit_metal.core import user_dirs

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """The program that came out of a source; ``toolchain`` ("go1.26.8") is empty when it was not built.

    ``packages``: what of Debian took part in the build ("gcc-12=12.2.0-14 …"), empty without C.
    """

    sha256: str
    size: int
    toolchain: str = ""
    packages: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """The directory, and the few things that happen in it. Methods raise OSError as the file system does."""

    root: Path

    def program(self, sha256: str) -> Path:
        return self.root / "sha256" / sha256[:2] / sha256

    def holds(self, made: Made) -> bool:
        """True when the program is here. Only its size is looked at: it was hashed on its way in."""
        try:
            return self.program(made.sha256).stat().st_size == made.size
        except FileNotFoundError:
            return False

    def put(self, program: Path, toolchain: str = "", packages: str = "") -> Made:
        """Move a finished program of :meth:`work` in under the name of its bytes."""
        made = Made(sha256_of(program), program.stat().st_size, toolchain, packages)
        program.chmod(0o755)
        _sync(program)
        target = self.program(made.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        program.replace(target)
        return made

    def last(self, key: str) -> Made | None:
        """What came out of the source ``key`` the last time; None when that is not known."""
        try:
            found = json.loads(self._index(key).read_text())
            seal, made = found.pop("seal"), Made(**found)
        except (FileNotFoundError, KeyError, TypeError, AttributeError, ValueError):
            return None
        return made if hmac.compare_digest(str(seal), _seal(key, made)) else None

    def remember(self, key: str, made: Made) -> None:
        self._index(key).parent.mkdir(parents=True, exist_ok=True)
        write(self._index(key), json.dumps(asdict(made) | {"seal": _seal(key, made)}) + "\n")

    def close(self) -> None:
        """Make the directory, and let nobody but its user into it: what lies here goes to hosts as root.

        Raises PermissionError when it is somebody else's.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = self.root.stat()
        if found.st_uid != os.getuid() and os.getuid():
            raise PermissionError(f"{self.root} belongs to another user (uid {found.st_uid})")
        if found.st_mode & 0o077:
            self.root.chmod(0o700)

    @contextmanager
    def exclusive(self, key: str, busy: Callable[[], None]) -> Iterator[int]:
        """Hold the lock of ``key``; ``busy`` is called once when another process or greenlet has it.

        Gives the descriptor: a child process that gets it keeps the lock until it ends, even when this one is killed.
        """
        path = self.root / "locks" / _name(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as handle:
            if not _lock(handle):
                busy()
                # A flock that waits stops every greenlet of this process, its holder among them: ask again.
                while not _lock(handle):
                    time.sleep(0.05)
            yield handle.fileno()

    @contextmanager
    def work(self, key: str) -> Iterator[Path]:
        """An empty directory on the store's file system, gone afterwards. Call it while holding the lock."""
        path = self.root / "work" / _name(key)
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)  # a compiler whose `go` was killed may still write: next time

    def _index(self, key: str) -> Path:
        return self.root / "made" / f"{_name(key)}.json"


def store(cache: Path | None) -> Store:
    """The store in ``cache``; by default in $XDG_CACHE_HOME/livekit-metal/artifacts (~/.cache when unset)."""
    if cache is not None:
        return Store(cache.absolute())
    return Store(user_dirs.cache() / "artifacts")


def _seal(key: str, made: Made) -> str:
    """What only who has this user's own key can write."""
    text = json.dumps([key, *asdict(made).values()])
    return hmac.new(_own_key(), text.encode(), hashlib.sha256).hexdigest()


def _own_key() -> bytes:
    """Made when it is missing. Nothing is lost with it: what it sealed is fetched or built again."""
    path = user_dirs.config() / "artifacts.seal"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # another run was first
            path.hardlink_to(new)
        new.unlink()
    return path.read_bytes()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, text: str) -> None:
    """Replace a small text file by one rename. The caller sees to it that nobody else writes it now."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    _sync(new)
    new.replace(path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
