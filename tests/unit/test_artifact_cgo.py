"""What is said where C cannot be compiled; tests/build compiles it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from roles._kit.artifact_cgo import check
from stack.errors import SiteError
from stack.releases import Release, find


@pytest.fixture
def ingress() -> Release:
    return find("ingress", "1.5.0", "module", path="ingress.release")


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
