"""The code of a fleet on this machine: whether it can be deployed, and what it is, byte for byte."""

from __future__ import annotations

import hashlib
import re
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from livekit_metal.core.errors import Problem
from livekit_metal.roles.agents.settings import Fleet

LOCK = "requirements.txt"
_LEFT_OUT = {".git", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?\s*==\s*([^\s;*]+)(?=[\s;]|$)")
_MAKE = "uv pip compile --generate-hashes --universal --python-version {} requirements.in -o requirements.txt"


def problems(fleet: Fleet) -> Iterator[Problem]:
    """What speaks against it before anything is built."""
    where, path, root = fleet.source, f"{fleet.path}.source", Path(fleet.directory)
    if not root.is_dir():
        yield Problem(f"{path}.python", f"{root} is not a directory", "name the directory with the code")
        return
    if not (root / where.entrypoint).is_file():
        yield Problem(f"{path}.entrypoint", f"{root} has no {where.entrypoint}", "name a file that is in there")
    lock, make = root / LOCK, f"write it: {_MAKE.format(where.interpreter)}"
    if not lock.is_file():
        yield Problem(f"{path}.python", f"{root} has no {LOCK}", make)
        return
    yield from _bad_lines(f"{path}.python", lock, make)
    if (asked := _requires(root)) and not asked.contains(f"{where.interpreter}.99"):
        fact = f"is {where.interpreter}, and pyproject.toml asks for {asked}"
        yield Problem(f"{path}.interpreter", fact, "name the Python of the hosts, or change requires-python")


def _bad_lines(path: str, lock: Path, make: str) -> Iterator[Problem]:
    for line in requirements(lock.read_text()):
        if line.startswith("-"):
            yield Problem(path, f"{lock} has the option {line.split()[0]}", f"{make}; a lock stands for itself")
        elif not _PINNED.match(line):
            yield Problem(path, f"{lock} has {line.split()[0]!r} without a version (==)", make)
        elif "--hash=sha256:" not in line:
            yield Problem(path, f"{lock} has {line.split()[0]!r} without a hash", make)


def requirements(text: str) -> list[str]:
    """The requirements of a lock, each with its hashes on one line."""
    joined = re.sub(r"\\\n", " ", text)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [" ".join(line.split()) for line in lines if line]


def framework(root: Path) -> str:
    """The version of livekit-agents in the lock; '0' without one."""
    for line in requirements((root / LOCK).read_text()):
        if (found := _PINNED.match(line)) and re.sub("[-_.]+", "-", found[1]).lower() == "livekit-agents":
            return found[3]
    return "0"


def _requires(root: Path) -> SpecifierSet | None:
    try:
        said = tomllib.loads((root / "pyproject.toml").read_text()).get("project", {}).get("requires-python")
        return SpecifierSet(said) if isinstance(said, str) else None
    except (OSError, tomllib.TOMLDecodeError, InvalidSpecifier):
        return None


def files(root: Path) -> Iterator[Path]:
    """What goes to hosts, in order: no tools' directories, no bytecode."""
    for each in sorted(root.rglob("*")):
        parts = each.relative_to(root).parts
        if not _LEFT_OUT.intersection(parts) and each.suffix != ".pyc" and each.is_file():
            yield each


def pack(root: Path, listed: Iterator[Path], top: str, target: Path) -> None:
    """Write files below ``root`` to a tar archive, as the directory ``top``: the same bytes for the same files."""
    with tarfile.open(target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for each in listed:
            info = tarfile.TarInfo(f"{top}/{each.relative_to(root).as_posix()}")
            info.size, info.mode = each.stat().st_size, 0o755 if each.stat().st_mode & 0o100 else 0o644
            with each.open("rb") as content:
                tar.addfile(info, content)


def digest(*parts: bytes) -> str:
    """SHA-256 of several texts; where one ends and the next begins counts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()
