"""The code of a fleet on this machine: whether it can be deployed, and what it is, byte for byte."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

from livekit_metal.core.errors import Problem
from livekit_metal.roles.agents.code import Source
from livekit_metal.roles.agents.locks import node as lock_node
from livekit_metal.roles.agents.locks import python as lock_python
from livekit_metal.roles.agents.settings import Fleet

_LEFT_OUT = {".git", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
_KEYS = (".npmrc", ".pypirc", ".netrc", ".env", ".env.*")  # they open registries and services; no host needs them
_LOCKS: dict[str, ModuleType] = {"python": lock_python, "node": lock_node}


def problems(fleet: Fleet) -> Iterator[Problem]:
    """What speaks against it before anything is built."""
    where, path, root = fleet.source, f"{fleet.path}.source", Path(fleet.directory)
    if not root.is_dir():
        yield Problem(f"{path}.{where.language}", f"{root} is not a directory", "name the directory with the code")
        return
    if not (root / where.entry).is_file():
        yield Problem(f"{path}.entrypoint", f"{root} has no {where.entry}", "name a file that is in there")
    yield from _LOCKS[where.language].problems(path, root, where.version)


def framework(where: Source, root: Path) -> str:
    """The version of LiveKit's framework in the lock; '0' without one."""
    found: str = _LOCKS[where.language].framework(root)
    return found


def files(root: Path) -> Iterator[Path]:
    """What goes to hosts, in order: no tools' directories, no bytecode, no files that usually have keys."""
    for each in sorted(root.rglob("*")):
        parts = each.relative_to(root).parts
        if any(fnmatch(each.name, key) for key in _KEYS):
            continue
        if not _LEFT_OUT.intersection(parts) and each.suffix != ".pyc" and each.is_file():
            yield each


def pack(root: Path, listed: Iterator[Path], top: str, target: Path, links: dict[str, str] | None = None) -> None:
    """Write files below ``root`` to a tar archive, as the directory ``top``: the same bytes for the same files.

    ``links``: symbolic links in ``top``, name -> where to.
    """
    with tarfile.open(target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for each in listed:
            info = tarfile.TarInfo(f"{top}/{each.relative_to(root).as_posix()}")
            info.size, info.mode = each.stat().st_size, 0o755 if each.stat().st_mode & 0o100 else 0o644
            with each.open("rb") as content:
                tar.addfile(info, content)
        for name, to in (links or {}).items():
            link = tarfile.TarInfo(f"{top}/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, to
            tar.addfile(link)


def digest(*parts: bytes) -> str:
    """SHA-256 of several texts; where one ends and the next begins counts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()
