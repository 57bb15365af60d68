"""A Go program with C in it, really compiled in a tree of Debian 12 (fetches 60 MB from the archive)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.releases.catalogue import Cgo
from livekit_metal.runtime.artifacts.fetch import fetch
from tests.support.artifacts.gomodule import ARCH, tiny
from tests.support.artifacts.upstream import left, programs

BOOKWORM = Cgo("bookworm", "gcc-12", ("zlib1g-dev",))
SOURCES = {
    "cmd/tiny/main.go": (
        "package main\n\n// #cgo pkg-config: zlib\n// #include <zlib.h>\n"
        '// #ifdef OTHER\n// #error "flags of the environment got through"\n// #endif\nimport "C"\n\n'
        "func main() { println(C.GoString(C.zlibVersion())) }\n"
    )
}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "site.lock"


def test_the_same_bytes_come_out_whatever_the_machine_is_set_to(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, said = tiny(tmp_path, monkeypatch, SOURCES, BOOKWORM), list[str]()
    first = fetch(release, ARCH, lock=lock, cache=tmp_path / "one", progress=said.append)
    (entry,) = json.loads(lock.read_text()).values()
    assert [package.partition("=")[0] for package in entry["packages"].split()] == [
        *("gcc-12", "binutils", "libc6-dev", "pkg-config", "zlib1g-dev")
    ]
    assert "gcc-12=12." in entry["packages"]
    assert first.identity.startswith(f"tiny 1.0.0 module linux/{ARCH} CGO_ENABLED=1 bookworm gcc-12 zlib1g-dev ")
    run = subprocess.run([first.path], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"1\.\d+\.\d+\n", run.stderr), "zlib of this machine"
    assert any("packages fetched" in line for line in said)
    assert left(tmp_path / "one") == []

    monkeypatch.setenv("CC", "false")
    monkeypatch.setenv("CGO_CFLAGS", "-DOTHER")
    monkeypatch.setenv("PKG_CONFIG", "false")
    monkeypatch.setenv("GOFLAGS", "-tags=other")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert fetch(release, ARCH, lock=lock, cache=tmp_path / "a" / "longer" / "place").sha256 == first.sha256

    entry |= {"sha256": "ab" * 32, "packages": entry["packages"].replace("zlib1g-dev=", "zlib1g-dev=0:")}
    (key,) = json.loads(lock.read_text())
    lock.write_text(json.dumps({key: entry}))
    recorded = entry["packages"].split()[-1]
    with pytest.raises(SiteError) as error:
        fetch(release, ARCH, lock=lock, cache=tmp_path / "three")
    assert str(error.value) == (
        f"tiny.release: this build of tiny 1.0.0 has sha256 {first.sha256}, {lock} records {'ab' * 32}, "
        f"made with {recorded}; copy it from the machine that built it (below {tmp_path / 'three'}), or "
        "remove the entry only if you trust the new build"
    )


def test_a_package_that_is_not_there_is_named(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Cgo("bookworm", "gcc-12", ("libno-such-thing-dev",))
    release, cache = tiny(tmp_path, monkeypatch, SOURCES, wrong), tmp_path / "cache"
    with pytest.raises(SiteError) as error:
        fetch(release, ARCH, lock=lock, cache=cache)
    assert "tiny.release: tiny 1.0.0: mmdebstrap says: " in str(error.value)
    assert "libno-such-thing-dev" in str(error.value)
    assert left(cache) == programs(cache) == []
    assert not lock.exists()
