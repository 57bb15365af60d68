"""Programs out of archives and files: what is verified and what is refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.releases.catalogue import File, Release
from livekit_metal.runtime.artifacts.fetch import Artifact, fetch, verify
from livekit_metal.runtime.artifacts.store import Made, store
from tests.support.artifacts.upstream import PROGRAM, Upstream, archive, forge, left, packed, programs, serving, sha256


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def refusal(release: Release, cache: Path) -> str:
    with pytest.raises(SiteError) as error:
        fetch(release, "amd64", cache=cache)
    assert left(cache) == []
    return str(error.value)


def test_an_archive_becomes_a_program_named_by_its_bytes(upstream: Upstream, cache: Path) -> None:
    got = fetch(archive(upstream.url, sha256(upstream.body)), "amd64", cache=cache)
    name = sha256(PROGRAM)
    assert got == Artifact(
        component="tool",
        version="1.0.0",
        source="archive",
        arch="amd64",
        sha256=name,
        path=cache / "sha256" / name[:2] / name,
        size=len(PROGRAM),
        identity=f"tool 1.0.0 archive linux/amd64 sha256={sha256(upstream.body)} tool",
    )
    assert subprocess.check_output([got.path], text=True) == "tool 1.0.0\n"
    assert got.path.stat().st_mode & 0o777 == 0o755
    assert left(cache) == []
    verify(got)


def test_a_second_fetch_reads_no_program_and_asks_nobody(upstream: Upstream, cache: Path) -> None:
    """A program has 100 MB: to read it in each deploy would be felt. Before a push it is read, see ``verify``."""
    release = archive(upstream.url, sha256(upstream.body))
    first = fetch(release, "amd64", cache=cache)
    opened: list[Path] = []
    recording = [True]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and recording and isinstance(arguments[0], (str, os.PathLike)):
            opened.append(Path(arguments[0]))

    sys.addaudithook(hook)  # it cannot be taken away again
    try:
        assert fetch(release, "amd64", cache=cache) == first
        fetched = list(opened)
        verify(first)
    finally:
        recording.clear()
    assert first.path not in fetched
    assert first.path in opened, "what opens it would be seen"
    assert upstream.requests == 1


def test_a_forged_index_serves_nothing(upstream: Upstream, cache: Path, tmp_path: Path) -> None:
    release, lock = archive(upstream.url, sha256(upstream.body)), tmp_path / "site.lock"
    first = fetch(release, "amd64", cache=cache)
    forge(cache, b"#!/bin/sh\necho owned\n")
    assert fetch(release, "amd64", cache=cache) == first
    forge(cache, b"#!/bin/sh\necho owned\n")
    assert fetch(release, "amd64", lock=lock, cache=cache) == first
    (entry,) = json.loads(lock.read_text()).values()
    assert entry["sha256"] == first.sha256


def test_the_store_is_closed_to_others(upstream: Upstream, cache: Path, tmp_path: Path) -> None:
    cache.mkdir(mode=0o755)
    fetch(archive(upstream.url, sha256(upstream.body)), "amd64", cache=cache)
    assert cache.stat().st_mode & 0o777 == 0o700


def test_wrong_bytes_are_refused_before_they_are_opened(upstream: Upstream, cache: Path) -> None:
    good = fetch(archive(upstream.url, sha256(upstream.body)), "amd64", cache=cache)
    expected, upstream.body = "ab" * 32, b"not even an archive"
    assert refusal(archive(upstream.url, expected), cache) == (
        f"tool.release: {upstream.url} was downloaded with sha256 {sha256(upstream.body)}, "
        f"expected {expected} (tool 1.0.0 amd64); "
        "nothing was installed; try again, and if it stays so compare with upstream's checksums.txt"
    )
    assert programs(cache) == [good.path]


def test_a_download_that_ends_early_is_said_to_have(upstream: Upstream, cache: Path) -> None:
    upstream.truncate = True
    size = len(upstream.body)
    text = refusal(archive(upstream.url, sha256(upstream.body)), cache)
    assert f"{upstream.url} cannot be downloaded: the connection ended after {size // 2} of {size} bytes" in text
    upstream.truncate = False
    fetch(archive(upstream.url, sha256(upstream.body)), "amd64", cache=cache)


@pytest.mark.parametrize(
    ("member", "why"),
    [("other", "there is no 'other' in the archive"), ("link", "its member 'link' is not a regular file")],
)
def test_an_archive_without_the_program_is_refused(upstream: Upstream, cache: Path, member: str, why: str) -> None:
    assert refusal(archive(upstream.url, sha256(upstream.body), member), cache) == (
        f"tool.release: {upstream.url}: {why}; correct `member` in livekit_metal/releases/releases.toml"
    )
    assert programs(cache) == []


def test_without_network_the_message_says_where_the_archive_may_be_put(cache: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/tool-{{arch}}.tar.gz"
        release = archive(url, sha256(packed()))
        place = cache / "archives" / "tool-1.0.0" / "tool-amd64.tar.gz"
        assert refusal(release, cache) == (
            f"tool.release: {url.format(arch='amd64')} cannot be downloaded: [Errno 111] Connection refused; "
            f"check the network, put the archive at {place}, or use source 'file'"
        )
        place.parent.mkdir(parents=True)
        place.write_bytes(b"something else")
        assert f"{place} was put there with sha256" in refusal(release, cache)
        place.write_bytes(packed())
        assert fetch(release, "amd64", cache=cache).sha256 == sha256(PROGRAM)


def test_an_error_of_the_server_is_said(upstream: Upstream, cache: Path) -> None:
    release = archive(f"{upstream.url}.other", "ab" * 32)
    assert "cannot be downloaded: the server answers 404 Not Found; check the network" in refusal(release, cache)


def test_only_https_is_fetched_from_elsewhere(upstream: Upstream, cache: Path) -> None:
    elsewhere = "http://192.0.2.1/tool.tar.gz"
    assert f"{elsewhere} cannot be downloaded: not https; " in refusal(archive(elsewhere, "ab" * 32), cache)
    upstream.moved = elsewhere
    assert f"it redirects to {elsewhere}, not https; " in refusal(archive(upstream.url, "ab" * 32), cache)


def test_a_redirect_is_followed(upstream: Upstream, cache: Path) -> None:
    other = Upstream()
    other.moved = upstream.url
    threading.Thread(target=other.handle_request).start()
    assert fetch(archive(other.url, sha256(upstream.body)), "amd64", cache=cache).size == len(PROGRAM)
    other.server_close()


def test_a_file_is_copied_when_it_is_the_one_meant(tmp_path: Path, cache: Path) -> None:
    built = tmp_path / "mine"
    built.write_bytes(PROGRAM)
    release = Release(component="tool", version="1.0.0", origin=File(str(built), sha256(PROGRAM)), path="tool.release")
    got = fetch(release, "amd64", cache=cache)
    built.unlink()
    assert fetch(release, "amd64", cache=cache) == got
    assert got.path.read_bytes() == PROGRAM
    other = Release(component="tool", version="1.0.0", origin=File(str(built), "ab" * 32), path="tool.release")
    assert refusal(other, cache) == (
        f"tool.file: {built} cannot be read (No such file or directory); "
        "set it to the path of the program on this machine"
    )
    built.write_bytes(b"another")
    assert refusal(other, cache) == (
        f"tool.sha256: {built} has sha256 {sha256(b'another')}, expected {'ab' * 32}; "
        "set it to the new value if that is the build you mean"
    )


def test_a_program_damaged_in_the_store_is_noticed_before_the_push(upstream: Upstream, cache: Path) -> None:
    release = archive(upstream.url, sha256(upstream.body))
    got = fetch(release, "amd64", cache=cache)
    got.path.write_bytes(PROGRAM[:-1] + b"!")
    with pytest.raises(SiteError, match="and was removed; run the deploy again"):
        verify(got)
    with pytest.raises(SiteError, match="is gone; run the deploy again"):
        verify(got)
    verify(fetch(release, "amd64", cache=cache))
    assert upstream.requests == 2


def test_a_store_that_cannot_be_written_is_a_message(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SiteError, match=r"^tool\.release: tool 1\.0\.0 cannot be fetched: .*; check space and"):
        fetch(archive(upstream.url, "ab" * 32), "amd64", cache=tmp_path / "file")


def test_the_store_is_outside_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store(None).root == tmp_path / "livekit-metal" / "artifacts"
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert store(None).root == Path.home() / ".cache/livekit-metal/artifacts"


def test_what_the_store_remembers_is_no_substitute_for_the_sum_of_the_site(cache: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"own build")
    good, wrong = sha256(b"own build"), "0" * 64

    def asked(sum_: str) -> Release:
        return Release(
            component="livekit-server", version="1.13.5-own", origin=File(str(program), sum_), path="livekit.release"
        )

    made = fetch(asked(good), "amd64", cache=cache)
    key = f"livekit-server 1.13.5-own file linux/amd64 sha256={wrong}"
    store(cache).remember(key, Made(sha256=made.sha256, size=made.size))
    assert f"expected {wrong}" in refusal(asked(wrong), cache)
