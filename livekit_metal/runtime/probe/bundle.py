"""The program that makes a call, for a host that has Python and no internet: its code here, its wheels from PyPI.

Contract: a pack is named by all that decides what it does (locked wheels, our code, the host's Python and machine).
The wheels come with the sums of the lock beside this file or not at all, and stay in the artifact store.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from livekit_metal.runtime.artifacts.store import Progress, store
from livekit_metal.runtime.host.commands import HostError

OLDEST = (3, 11)  # Python: what the lock is made for
_ROOT = Path(__file__).parents[3]  # of the checkout, or where packages are installed
# What livekit_metal/call imports that is not ours, and what comes with it: the group "call" of pyproject.toml.
_LOCK = Path(__file__).with_name("requirements.lock")
_CODE = (
    "livekit_metal/__init__.py",
    "livekit_metal/call",
    "livekit_metal/call/quality",
    *(f"livekit_metal/core/{n}.py" for n in ("__init__", "errors", "fields", "ports", "printable")),
    *(f"livekit_metal/core/types/{n}.py" for n in ("__init__", "dns_names", "text")),
)
# What manylinux wheels a host of glibc 2.36 (Debian 12) or newer can load; pip takes these as they are.
_GLIBC = (*range(36, 16, -1), 12, 5)


@dataclass(frozen=True, slots=True)
class Target:
    """A host's Python ("3.11") and machine as its kernel calls it ("x86_64")."""

    python: str
    machine: str

    @property
    def too_old(self) -> bool:
        return tuple(int(n) for n in self.python.split(".")) < OLDEST

    @property
    def name(self) -> str:
        """What the pack for this target is called: 16 hex digits."""
        h = hashlib.sha256(f"{self.python} {self.machine}\n{requirements(self)}".encode())
        h.update(_code())
        return h.hexdigest()[:16]


@cache
def requirements(target: Target) -> str:
    """The lines of the lock that a call needs on ``target``, without markers: pip would take them as ours."""
    locked = _locked(target)
    return "".join(f"{locked[name]}\n" for name in sorted(locked))


def _locked(target: Target) -> dict[str, str]:
    """Name -> "name==version --hash=..." of everything that the lock has for ``target``."""
    lines = re.sub(r"\s*\\\n\s*", " ", _LOCK.read_text()).splitlines()
    found: dict[str, str] = {}
    for line in lines:
        if not line or line.lstrip().startswith("#"):
            continue
        text, *hashes = line.split(" --hash=")
        pinned = Requirement(text)
        if pinned.marker is None or pinned.marker.evaluate(_environment(target)):
            found[canonicalize_name(pinned.name)] = " --hash=".join((f"{pinned.name}{pinned.specifier}", *hashes))
    return found


def _environment(target: Target) -> dict[str, str]:
    """What markers ask for, of the host and not of this machine."""
    return {
        "extra": "",
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{target.python}.0",
        "python_version": target.python,
        "sys_platform": "linux",
    }


def packed(target: Target, progress: Progress = lambda text: None) -> tuple[bytes, ...]:
    """The pack as gzip streams of tar archives, one after the other. Raises HostError when the wheels cannot be had."""
    return _libraries(target, progress).read_bytes(), _code()


@cache
def _code() -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for place in _CODE:
            for file in sorted((_ROOT / place).glob("*.py")) or [_ROOT / place]:
                archive.add(file, file.relative_to(_ROOT), filter=_plain)
    return gzip.compress(whole.getvalue(), mtime=0)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same bytes whoever packs it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime, entry.mode = 1, 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def _libraries(target: Target, progress: Progress) -> Path:
    """The wheels, unpacked and in one archive of the store; collected once."""
    place, wanted = store(None), requirements(target)
    key = (
        f"wheels of the call for Python {target.python} {target.machine} {hashlib.sha256(wanted.encode()).hexdigest()}"
    )

    def there() -> Path | None:
        made = place.last(key)
        return place.program(made.sha256) if made and place.holds(made) else None

    if found := there():
        return found
    with place.exclusive(key, busy=lambda: progress("another run collects it, waiting")):
        if found := there():
            return found
        progress(f"collecting what a call needs for Python {target.python} {target.machine}")
        with place.work(key) as work:
            unpacked = _installed(target, wanted, work)
            whole = work / "libraries.tar.gz"
            with tarfile.open(whole, "w:gz", compresslevel=6) as archive:
                archive.add(unpacked, ".", filter=_plain)
            made = place.put(whole)
        place.remember(key, made)
        return place.program(made.sha256)


def _installed(target: Target, wanted: str, work: Path) -> Path:
    """A directory with the wheels' contents. From the index that pip is set up for, and only with the locked sums."""
    listed, into = work / "requirements.txt", work / "unpacked"
    listed.write_text(wanted)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--target", str(into), "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    command += ["--python-version", target.python, "--implementation", "cp"]
    command += [f"--platform=manylinux_2_{minor}_{target.machine}" for minor in _GLIBC]
    command += [f"--platform=manylinux{year}_{target.machine}" for year in (2014, 2010, 1)]
    # pip compares Requires-Python with the Python that it runs on; the lock's markers have chosen already
    command += ["--ignore-requires-python", "--requirement", str(listed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
        raise HostError(
            f"livekit.probe: what a call needs cannot be collected here: pip: {said.strip()}; let pip on this machine "
            "reach PyPI or a mirror, or set the probe to controller"
        )
    return into
