"""What is said where C cannot be compiled; tests/build compiles it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.releases.catalogue import Cgo, Release, find
from livekit_metal.runtime.artifacts.cgo import check, made
from livekit_metal.runtime.artifacts.fetch import fetch
from tests.support.artifacts.gomodule import ARCH, tiny
from tests.support.artifacts.upstream import left, programs

LIST = ("binutils_2.40-2", "gcc-12_12.2.0-14", "libc6-dev_2.36-9", "pkg-config_1.8.1-1", "zlib1g-dev_1%3a1.2.13")
# Makes a tree that holds only what was fetched; its last argument is the place.
MMDEBSTRAP = """#!/bin/sh
for tree; do :; done
mkdir "$tree"; printf '%s_amd64.deb\\n' LIST >"$tree/packages.list"
""".replace("LIST", " ".join(LIST))


@pytest.fixture
def ingress() -> Release:
    return find("ingress", "1.5.0", "module", path="ingress.release")


@pytest.fixture
def faked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for programs that come before the real ones; mmdebstrap is there."""
    path = tmp_path / "path"
    path.mkdir()
    program(path / "mmdebstrap", MMDEBSTRAP)
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    return path


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def refusal(release: Release, arch: str) -> str:
    with pytest.raises(SiteError) as error:
        check(release, arch)
    return str(error.value)


def test_missing_programs_are_named(ingress: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(ingress, "amd64") == (
        "ingress.source: ingress 1.5.0 has C in it and is compiled in a tree of Debian; mmdebstrap and bubblewrap are "
        "not here; `apt install mmdebstrap bubblewrap debian-archive-keyring`, or take another source"
    )


def test_it_is_compiled_for_the_machine_only(ingress: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("mmdebstrap", "bwrap"):
        (tmp_path / program).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = os.uname().machine
    other, its = {"x86_64": ("arm64", "aarch64"), "aarch64": ("amd64", "x86_64")}[machine]
    assert refusal(ingress, other) == (
        f"ingress.source: ingress 1.5.0 has C in it and is compiled for {other} on machines of {its} only; this one is "
        f"{machine}; deploy from such a machine, or take another source"
    )


def test_the_versions_are_those_of_what_was_fetched(ingress: Release, faked: Path, tmp_path: Path) -> None:
    assert faked.exists()
    with (tmp_path / "lock").open("w") as held:
        cgo, said = Cgo("bookworm", "gcc-12", ("zlib1g-dev",)), list[str]()
        root = made(ingress, cgo, "amd64", work=tmp_path, held=held.fileno(), say=said.append)
    assert root.packages == (
        *("gcc-12=12.2.0-14", "binutils=2.40-2", "libc6-dev=2.36-9", "pkg-config=1.8.1-1", "zlib1g-dev=1:1.2.13"),
    )
    assert said == ["fetching the compiler and headers of Debian bookworm (once, for this build)"]


def test_a_machine_that_forbids_namespaces_is_told_what_helps(
    faked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(faked / "bwrap", "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    main = {"cmd/tiny/main.go": "package main\n\nfunc main() {}\n"}
    release = tiny(tmp_path, monkeypatch, main, Cgo("bookworm", "gcc-12", ("zlib1g-dev",)))
    with pytest.raises(SiteError) as error:
        fetch(release, ARCH, cache=tmp_path / "cache")
    assert str(error.value) == (
        "tiny.release: tiny 1.0.0 cannot be built, `go build` says: bwrap: setting up uid map: Permission denied; "
        "let this user make user namespaces (Ubuntu's AppArmor forbids it), deploy as root, or take another source"
    )
    assert left(tmp_path / "cache") == programs(tmp_path / "cache") == []
