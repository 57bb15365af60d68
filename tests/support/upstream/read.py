"""What each release of upstream reads from its configuration, taken from the structs in its source by keys.go."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_PROTOCOL = "github.com/livekit/protocol"


@dataclass(frozen=True)
class Program:
    """Where the struct of a configuration is in a module, and the versions of it that the Go proxy has."""

    module: str
    struct: str
    versions: tuple[str, ...] = ()
    package: str = "pkg/config"


# Of livekit-server 1.13.0 and 1.13.2 the proxy has no module; of egress and sip none at all (read from a copy).
PROGRAMS = {
    "livekit-server": Program(
        "github.com/livekit/livekit-server",
        "Config",
        ("1.13.1", "1.13.3", "1.13.4", "1.13.5", "1.13.6", "1.13.7", "1.13.8", "1.13.9"),
    ),
    "egress": Program("github.com/livekit/egress", "ServiceConfig"),
    "ingress": Program("github.com/livekit/ingress", "Config", ("1.5.0",)),
    "sip": Program("github.com/livekit/sip", "Config"),
}
# From 1.13.6 on livekit-server requires commits of protocol that the proxy does not have: the next release after each.
# In protocol are the blocks redis, logging, webhook and psrpc.
NEXT = {"1.13.6": "v1.51.0", "1.13.7": "v1.52.0", "1.13.8": "v1.53.0", "1.13.9": "v1.53.0"}
Keys = dict[str, str]  # key -> type; [] is each of a list, * each of a mapping


def substitutes(version: str) -> list[str]:
    """Words for keys.go about modules of livekit-server ``version`` that are read in another version."""
    return ["-with", f"{_PROTOCOL}={NEXT[version]}"] if version in NEXT else []


def from_proxy(component: str, version: str) -> Keys:
    """The keys of a version whose module the Go proxy has. Raises CalledProcessError."""
    words = substitutes(version) if component == "livekit-server" else []
    return from_copy(component, _directory(PROGRAMS[component], version), words)


def _directory(program: Program, version: str) -> Path:
    words = ["go", "mod", "download", "-json", f"{program.module}@v{version}"]
    with tempfile.TemporaryDirectory() as empty:
        said = subprocess.run(words, cwd=empty, check=True, capture_output=True, text=True).stdout
    return Path(json.loads(said)["Dir"])


def strict_parser(version: str, directory: Path) -> Path:
    """A program, built in ``directory``, that reads files with livekit-server's own parser."""
    program = PROGRAMS["livekit-server"]
    required = {program.module: f"v{version}"} | ({_PROTOCOL: NEXT[version]} if version in NEXT else {})
    lines = "".join(f"require {module} {wanted}\n" for module, wanted in required.items())
    (directory / "go.mod").write_text(f"module strict\n\ngo 1.26\n\n{lines}")
    (directory / "go.sum").write_text((_directory(program, version) / "go.sum").read_text())
    (directory / "main.go").write_text((_HERE / "strict.go").read_text().replace("//go:build ignore\n", ""))
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    subprocess.run(
        ["go", "build", "-o", "strict", "."], cwd=directory, check=True, capture_output=True, env=environment
    )
    return directory / "strict"


def from_copy(component: str, directory: Path, words: Iterable[str] = ()) -> Keys:
    """The keys of whatever version is in ``directory``, which has the module's go.mod. Raises CalledProcessError."""
    program = PROGRAMS[component]
    said = subprocess.run(
        [_reader(), *words, directory, program.package, program.struct], check=True, capture_output=True, text=True
    ).stdout
    return dict(line.split("\t") for line in said.splitlines())


@functools.cache
def _reader() -> Path:
    built = Path(tempfile.mkdtemp(prefix="lkm-keys-")) / "keys"
    subprocess.run(["go", "build", "-o", built, _HERE / "keys.go"], check=True, capture_output=True)
    return built
