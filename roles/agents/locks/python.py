"""The lock of a fleet in Python, and its packages: requirements.txt with hashes, or uv.lock. uv fetches them.

No package is built, on hosts neither: wheels only, each compared with its hash in the lock.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.agents.code import PYTHONS

LOCK, UV = "requirements.txt", "uv.lock"  # the first one that is there counts
_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}
_LAST_WORDS = 12  # lines of uv's, in an error
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?\s*==\s*([^\s;*]+)(?=[\s;]|$)")
_MAKE = "uv pip compile --generate-hashes --universal --python-version {} requirements.in -o requirements.txt"
_FRAMEWORK = "livekit-agents"


def problems(path: str, root: Path, version: str) -> Iterator[Problem]:
    """What speaks against the lock in ``root``, for a host with Python ``version``."""
    make = f"write it: {_MAKE.format(version)}"
    if (root / LOCK).is_file():
        yield from _bad_lines(f"{path}.python", root / LOCK, make)
        said = _toml(root / "pyproject.toml").get("project", {}).get("requires-python")
        where = "pyproject.toml"
    elif (root / UV).is_file():
        lock = _toml(root / UV)
        yield from _bad_packages(f"{path}.python", root, lock)
        said, where = lock.get("requires-python"), UV
    else:
        yield Problem(f"{path}.python", f"{root} has no {LOCK} and no {UV}", make)
        return
    if (asked := _specifier(said)) and not asked.contains(f"{version}.99"):
        fact = f"is {version}, and {where} asks for {asked}"
        yield Problem(f"{path}.interpreter", fact, "name the Python of the hosts, or change requires-python")


def _bad_lines(path: str, lock: Path, make: str) -> Iterator[Problem]:
    for line in requirements(lock.read_text()):
        if line.startswith("-"):
            yield Problem(path, f"{lock} has the option {line.split()[0]}", f"{make}; a lock stands for itself")
        elif not _PINNED.match(line):
            yield Problem(path, f"{lock} has {line.split()[0]!r} without a version (==)", make)
        elif "--hash=sha256:" not in line:
            yield Problem(path, f"{lock} has {line.split()[0]!r} without a hash", make)


def _bad_packages(path: str, root: Path, lock: dict[str, Any]) -> Iterator[Problem]:
    file = root / UV
    found = lock.get("package")
    if not found or not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        yield Problem(path, f"{file} is no lock of uv's", "write it: uv lock")
        return
    if not (root / "pyproject.toml").is_file():
        yield Problem(path, f"{root} has {UV} and no pyproject.toml", "keep them together: uv reads both")
    for each in found:
        origin = each.get("source", {})
        if origin.get("virtual", origin.get("editable")) == ".":
            continue  # the code itself
        if "registry" not in origin:
            kind = next(iter(origin), "nowhere")
            yield Problem(
                path,
                f"{file} has {each.get('name')!r} from {kind}",
                "publish it to an index: only that has wheels with hashes",
            )
        elif not all(str(wheel.get("hash", "")).startswith("sha256:") for wheel in each.get("wheels", ())):
            yield Problem(path, f"{file} has {each.get('name')!r} without a hash", "write it again: uv lock")


def requirements(text: str) -> list[str]:
    """The requirements of a lock, each with its hashes on one line."""
    joined = re.sub(r"\\\n", " ", text)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [" ".join(line.split()) for line in lines if line]


def framework(root: Path) -> str:
    """The version of livekit-agents in the lock; '0' without one."""
    if not (root / LOCK).is_file():
        found = _toml(root / UV).get("package", [])
        return next((str(each.get("version")) for each in found if each.get("name") == _FRAMEWORK), "0")
    for line in requirements((root / LOCK).read_text()):
        if (pinned := _PINNED.match(line)) and re.sub("[-_.]+", "-", pinned[1]).lower() == _FRAMEWORK:
            return pinned[3]
    return "0"


def _toml(file: Path) -> dict[str, Any]:
    """What ``file`` says; nothing when it says nothing that can be read."""
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _specifier(said: object) -> SpecifierSet | None:
    try:
        return SpecifierSet(said) if isinstance(said, str) else None
    except InvalidSpecifier:
        return None


def platform(version: str, arch: str) -> str:
    """What wheels may be made for."""
    return f"{_MACHINE[arch]}-manylinux_{PYTHONS[version]}"


def told(path: str, root: Path) -> bytes:
    """What decides which packages come. Raises SiteError."""
    wheels = [wheel.name for wheel in sorted((root / "wheels").glob("*.whl"))]
    return "\n".join([*_lines(path, root), *wheels]).encode()


def fetch(path: str, root: Path, version: str, arch: str, work: Path) -> Path:
    """Fetch the packages of the lock to a directory in ``work``. Raises SiteError with uv's words."""
    lock, tree = work / "lock", work / "site"
    lock.write_text("\n".join(_lines(path, root)) + "\n")
    wheelhouse = ["--no-index", "--find-links", str(root.resolve() / "wheels")] if (root / "wheels").is_dir() else []
    words = ["pip", "install", "--no-config", "--python", sys.executable, "--target", str(tree)]
    words += ["--python-version", version, "--python-platform", platform(version, arch), "--require-hashes"]
    words += ["--only-binary", ":all:", "--link-mode", "copy", *wheelhouse, "-r", str(lock)]
    fact = f"the packages of the lock cannot be had for Python {version} on {platform(version, arch)}"
    _uv(path, words, root, fact)
    return tree


def _lines(path: str, root: Path) -> list[str]:
    if (root / LOCK).is_file():
        return requirements((root / LOCK).read_text())
    words = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--format", "requirements.txt"]
    return requirements(_uv(path, words, root, f"{root / UV} cannot be read"))


def _uv(path: str, words: list[str], root: Path, fact: str) -> str:
    done = subprocess.run(
        [_program(path), *words], capture_output=True, text=True, check=False, cwd=root, env=_environment()
    )
    if done.returncode:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
        said = "\n".join(f"    {line}" for line in plain.strip().splitlines()[-_LAST_WORDS:])
        raise SiteError([Problem(f"{path}.source", fact, f"see what uv says, and make the lock again\n{said}")])
    return done.stdout


def _program(path: str) -> str:
    beside = Path(sys.executable).with_name("uv")
    if found := str(beside) if beside.exists() else shutil.which("uv"):
        return found
    raise SiteError([Problem(f"{path}.source", "uv is not on this machine", "install it: pip install uv")])


def _environment() -> dict[str, str]:
    """uv's own settings of the environment count (indexes, proxies), those of a virtual environment do not."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "UV_PYTHON")}
