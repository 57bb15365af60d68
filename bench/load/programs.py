"""The programs that are measured and that measure, built once for each version of what they are made of."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from livekit_metal.releases.catalogue import Module
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.artifacts.fetch import fetch

_GENERATOR = Path(__file__).parent / "generator"
_OWN = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
# What x86-64-v3 has beyond v2, as Linux calls it (x86-64 psABI, 3.1.1); lzcnt is in abm there.
_LEVEL_3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}


def generator() -> Path:
    """What joins, sends and drops."""
    return _built("load", _GENERATOR, ("build",), ".", {})


def server(own: Settings) -> Path:
    """livekit-server as a deploy would fetch or build it."""
    return fetch(own.release_spec(), own.arch).path


def server_for_level_3(own: Settings) -> Path | None:
    """The same source, compiled for x86-64-v3; None where this machine's processor is older."""
    origin = own.release_spec().origin
    if own.arch != "amd64" or not isinstance(origin, Module) or not level_3(Path("/proc/cpuinfo").read_text()):
        return None
    return _built("livekit-server-v3", origin.directory, ("build", *origin.flags), origin.package, {"GOAMD64": "v3"})


def level_3(cpuinfo: str) -> bool:
    """Whether a processor that Linux describes so is one of x86-64-v3."""
    flags = next((line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith("flags")), [])
    return set(flags) >= _LEVEL_3


def _built(name: str, directory: Path, command: tuple[str, ...], package: str, extra: Mapping[str, str]) -> Path:
    sources = sorted(file for file in directory.iterdir() if file.suffix in (".go", ".mod", ".sum"))
    words = (*command, package, *(f"{key}={value}" for key, value in extra.items()))
    made_of = " ".join(words).encode() + b"".join(file.read_bytes() for file in sources)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "livekit-metal/bench"
    made = base / f"{name}-{hashlib.sha256(made_of).hexdigest()[:12]}"
    if not made.exists():
        environment = {**os.environ, **_OWN, **extra}
        subprocess.run(["go", *command, "-o", str(made), package], cwd=directory, env=environment, check=True)
    return made
