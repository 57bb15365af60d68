"""A tree of the oldest supported Debian in which the C parts of a program are compiled, on any Linux and as any user.

Why: bytes must not depend on whose machine the controller is, and a program compiled on a newer Debian does not start
on an older one. mmdebstrap only unpacks the packages, checked by apt as ever (variant ``extract``: no script of them
runs, no privilege is needed); bubblewrap makes the tree the root of the compiler, which has no network there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.releases.catalogue import Cgo, Release
from livekit_metal.runtime.artifacts.progress import heartbeat
from livekit_metal.runtime.artifacts.store import Progress

_TOOLS = {"mmdebstrap": "mmdebstrap", "bwrap": "bubblewrap"}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_LIST = "packages.list"
_TMP = "/tmp"  # noqa: S108 - of the tree, and empty
_HERE = ("binutils", "libc6-dev", "pkg-config")  # beside the compiler, whatever is compiled


@dataclass(frozen=True, slots=True)
class Root:
    """The tree at ``path``. ``packages``: name=version of those that were asked for, in order."""

    path: Path
    packages: tuple[str, ...]

    def within(self, command: Sequence[str], shown: Mapping[str, Path], work: Path) -> list[str]:
        """``command`` with this tree as root: ``shown`` (place inside -> directory) read-only, ``work`` as /build."""
        binds = [word for inside, outside in shown.items() for word in ("--ro-bind", str(outside), inside)]
        return [
            *("bwrap", "--unshare-all", "--die-with-parent", "--bind", str(self.path), "/", *binds),
            *("--bind", str(work), "/build", "--chdir", "/build", "--proc", "/proc", "--dev", "/dev", "--tmpfs", _TMP),
            *command,
        ]


def check(release: Release, arch: str) -> None:
    """Raise SiteError when this machine cannot compile for ``arch``."""
    missing = [package for program, package in _TOOLS.items() if not shutil.which(program)]
    if missing:
        fact = f"{release} has C in it and is compiled in a tree of Debian; {' and '.join(missing)} are not here"
        remedy = "`apt install mmdebstrap bubblewrap debian-archive-keyring`, or take another source"
        raise SiteError([Problem(release.beside("source"), fact, remedy)])
    if (machine := os.uname().machine) != (needed := {a: m for m, a in _MACHINES.items()}[arch]):
        fact = f"{release} has C in it and is compiled for {arch} on machines of {needed} only; this one is {machine}"
        raise SiteError([Problem(release.beside("source"), fact, "deploy from such a machine, or take another source")])


def made(release: Release, cgo: Cgo, arch: str, *, work: Path, held: int, say: Progress) -> Root:
    """The tree, made in ``work`` (minutes, hundreds of MB). Raises SiteError with what mmdebstrap says."""
    wanted = (cgo.compiler, *_HERE, *cgo.packages)
    root = work / "root"
    say(f"fetching the compiler and headers of Debian {cgo.debian} (once, for this build)")
    # the versions stand in the names of the fetched packages; a hook is what can still see them
    listing = f'cd "$1/var/cache/apt/archives" && ls *.deb >"$1/{_LIST}"'
    # what it checks is that no script of a package runs as root on this machine; none runs at all
    command = ["mmdebstrap", "--verbose", "--mode=chrootless", "--skip=check/chrootless", "--variant=extract"]
    command += [
        f"--architectures={arch}",
        f"--include={','.join(wanted)}",
        f"--extract-hook={listing}",
        cgo.debian,
        str(root),
    ]
    said: list[str] = []
    fetched, total, unpacking = 0, "?", False

    def words() -> str:
        return "unpacking them" if unpacking else f"{fetched} of {total} packages fetched" if fetched else ""

    with (
        subprocess.Popen(
            command,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            pass_fds=(held,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
        heartbeat(say, words),
    ):
        try:
            for line in process.stdout or ():
                if found := re.search(r"(\d+) newly installed", line):
                    total, fetched = found[1], 0
                elif line.startswith("Get:"):
                    fetched += 1
                elif line.startswith(("E: ", "Err:", "W: Failed")):
                    said.append(line.strip())
                unpacking |= line.startswith("I: extracting")
        except BaseException:  # Ctrl-C, or pyinfra ending this greenlet
            process.terminate()  # it removes what it has begun
            raise
        done = process.wait()
    if done:
        why = " | ".join(dict.fromkeys(said[:5])) or f"exit {done}"
        remedy = "check that Debian's archive can be reached (http_proxy counts) and the space, or take another source"
        raise SiteError([Problem(release.path, f"{release}: mmdebstrap says: {why}", remedy)])
    return Root(root, _versions(root / _LIST, wanted))


def _versions(listing: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    """name=version of ``wanted``, from lines like ``gcc-12_12.2.0-14+deb12u1_amd64.deb``."""
    found = {}
    for line in listing.read_text().splitlines():
        name, version, _ = line.split("_", 2)
        found[name] = version.replace("%3a", ":")
    return tuple(f"{name}={found[name]}" for name in wanted)
