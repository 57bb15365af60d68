"""A release of a fleet on this machine: its code, and its packages for the Python of the hosts. uv fetches them.

No package is built, on hosts neither: wheels only, each compared with its hash in the lock. What a host gets is told
apart by what decides the bytes (code, lock, Python, architecture); packages are kept, so a change of the code is small.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.agents import source
from livekit_metal.roles.agents.settings import INTERPRETERS, Fleet
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.artifacts.progress import heartbeat
from livekit_metal.runtime.artifacts.status_line import StatusLine
from livekit_metal.runtime.artifacts.store import Made, Store, store

_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}
_LAST_WORDS = 12  # lines of uv's, in an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(Artifact):
    """A release: ``path`` is an archive of the code, ``packages`` one of what it needs."""

    packages: Path
    packages_id: str
    packages_sha256: str
    packages_size: int


def bundle(fleet: Fleet) -> Bundle:
    """The release of ``fleet`` for its hosts. Raises PyinfraError, shown as it is: nothing was changed."""
    try:
        if found := list(source.problems(fleet)):
            raise SiteError(found)
        return _bundle(fleet.path, fleet.directory, fleet.source.interpreter, fleet.arch, store(None))
    except SiteError as error:
        raise PyinfraError(f"nothing was changed\n{error}") from error
    except OSError as error:
        raise PyinfraError(f"nothing was changed\n{fleet.path}.source: cannot be packed: {error}") from error


@functools.cache  # a run has one answer, whatever is edited meanwhile
def _bundle(path: str, directory: str, interpreter: str, arch: str, place: Store) -> Bundle:
    root = Path(directory)
    place.close()
    packages = _packages(path, root, interpreter, arch, place)
    key = f"agents code {root.resolve()}"
    with place.exclusive(key, busy=lambda: None), place.work(key) as work:
        source.pack(root, source.files(root), "code", work / "code")
        code = place.put(work / "code")
    identity = source.digest(code.sha256.encode(), packages.sha256.encode(), interpreter.encode())
    return Bundle(
        component=path,
        version=source.framework(root),
        source="directory",
        arch=arch,
        sha256=code.sha256,
        path=place.program(code.sha256),
        size=code.size,
        identity=identity,
        packages=place.program(packages.sha256),
        packages_id=f"{packages.sha256} {interpreter}",
        packages_sha256=packages.sha256,
        packages_size=packages.size,
    )


def _packages(path: str, root: Path, interpreter: str, arch: str, place: Store) -> Made:
    """The packages of the lock, as an archive in the store."""
    lines = source.requirements((root / source.LOCK).read_text())
    platform = f"{_MACHINE[arch]}-manylinux_{INTERPRETERS[interpreter]}"
    wheels = [wheel.name for wheel in sorted((root / "wheels").glob("*.whl"))]
    key = f"agents packages {interpreter} {platform} {source.digest(*(line.encode() for line in lines))} {wheels}"
    waiting = f"{path}: another build of its packages is under way, waiting"
    with StatusLine() as say, place.exclusive(key, busy=lambda: say(waiting)):
        if (made := place.last(key)) and place.holds(made):
            return made
        with place.work(key) as work:
            lock = work / "lock"
            lock.write_text("\n".join(lines) + "\n")
            tree = work / "site"
            wheelhouse = ["--no-index", "--find-links", str(root.resolve() / "wheels")] if wheels else []
            command = [_uv(path), "pip", "install", "--no-config", "--python", sys.executable, "--target", str(tree)]
            command += ["--python-version", interpreter, "--python-platform", platform, "--require-hashes"]
            command += ["--only-binary", ":all:", "--link-mode", "copy", *wheelhouse, "-r", str(lock)]
            with heartbeat(say, lambda: f"{path}: packages for Python {interpreter}, {platform}"):
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
            if done.returncode:
                raise SiteError([_refused(path, done.stderr, interpreter, platform)])
            source.pack(tree, source.files(tree), "site", work / "packages")
            shutil.rmtree(tree)
            made = place.put(work / "packages")
        place.remember(key, made)
        say(f"{path}: {made.size / 1e6:.0f} MB of packages for Python {interpreter}")
        return made


def _uv(path: str) -> str:
    beside = Path(sys.executable).with_name("uv")
    if found := str(beside) if beside.exists() else shutil.which("uv"):
        return found
    raise SiteError([Problem(f"{path}.source", "uv is not on this machine", "install it: pip install uv")])


def _environment() -> dict[str, str]:
    """uv's own settings of the environment count (indexes, proxies), those of a virtual environment do not."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "UV_PYTHON")}


def _refused(path: str, said: str, interpreter: str, platform: str) -> Problem:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    words = "\n".join(f"    {line}" for line in plain.strip().splitlines()[-_LAST_WORDS:])
    fact = f"the packages of {source.LOCK} cannot be had for Python {interpreter} on {platform}"
    return Problem(f"{path}.source", fact, f"see what uv says, and make the lock again\n{words}")
