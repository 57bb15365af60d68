"""A tiny Go module that a folder serves as a module proxy, with the go.mod and go.sum that pin it."""

from __future__ import annotations

import base64
import hashlib
import io
import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from livekit_metal.releases.catalogue import Cgo, Module, Release

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
GO_MOD = "module example.test/tiny\n\ngo 1.21\n"


def tiny(directory: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], cgo: Cgo | None = None) -> Release:
    """tiny 1.0.0 of ``files`` (cmd/tiny is its program); GOPROXY and GOMODCACHE lead into ``directory``."""
    sources = {"go.mod": GO_MOD, **files}
    prefix = "example.test/tiny@v1.0.0"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in sources.items():
            archive.writestr(f"{prefix}/{name}", text)
    versions = directory / "proxy" / "example.test" / "tiny" / "@v"
    versions.mkdir(parents=True)
    (versions / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (versions / "v1.0.0.mod").write_text(GO_MOD)
    (versions / "v1.0.0.zip").write_bytes(packed.getvalue())
    pinned = directory / "tiny-1.0.0"
    pinned.mkdir()
    (pinned / "go.mod").write_text("module tiny\n\ngo 1.21\n\nrequire example.test/tiny v1.0.0\n")
    (pinned / "go.sum").write_text(
        f"example.test/tiny v1.0.0 {_h1({f'{prefix}/{n}': t for n, t in sources.items()})}\n"
        f"example.test/tiny v1.0.0/go.mod {_h1({'go.mod': GO_MOD})}\n"
    )
    monkeypatch.setenv("GOPROXY", (directory / "proxy").as_uri())
    monkeypatch.setenv("GOMODCACHE", str(directory / "modules"))
    origin = Module("example.test/tiny/cmd/tiny", pinned, ("-trimpath", "-buildvcs=false"), cgo)
    return Release(component="tiny", version="1.0.0", origin=origin, path="tiny.release")


def _h1(files: Mapping[str, str]) -> str:
    """A sum as go.sum has it (golang.org/x/mod/sumdb/dirhash, Hash1)."""
    lines = "".join(f"{hashlib.sha256(files[n].encode()).hexdigest()}  {n}\n" for n in sorted(files))
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()
