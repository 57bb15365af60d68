"""Fetches that are killed, and two fetches at once: in two processes, and in two greenlets of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.runtime.artifacts.fetch import fetch
from tests.support.artifacts.upstream import PATIENCE, Upstream, archive, left, programs, serving, sha256

ROOT = Path(__file__).parents[3]
# A fetch in a process of its own: argv = url, sha256, cache; says its progress.
CHILD = """
import sys
from pathlib import Path
from tests.support.artifacts.upstream import archive
from livekit_metal.runtime.artifacts.fetch import fetch
url, sha256, cache = sys.argv[1:]
fetch(archive(url, sha256), "amd64", cache=Path(cache), progress=lambda text: print(text, flush=True))
"""
GREENLETS = """
from gevent import joinall, monkey, spawn
monkey.patch_all()
import sys
from pathlib import Path
from tests.support.artifacts.upstream import archive
from livekit_metal.runtime.artifacts.fetch import fetch
url, sha256, cache = sys.argv[1:]
say = lambda text: print(text, flush=True)
two = [spawn(fetch, archive(url, sha256), "amd64", cache=Path(cache), progress=say) for _ in range(2)]
joinall(two, raise_error=True)
"""


BUILD = """
import sys, sysconfig
from pathlib import Path
from livekit_metal.runtime.artifacts.fetch import fetch
from livekit_metal.releases.catalogue import Module, Release
sysconfig.get_path = lambda _: "/nowhere"
pinned, cache = map(Path, sys.argv[1:])
release = Release(component="tiny", version="1.0.0", origin=Module("a.test/tiny", pinned, ()), path="tiny.release")
fetch(release, "amd64", cache=cache, progress=lambda text: print(text, flush=True))
"""
# A compiler that stops in its first build until somebody has opened and closed the gate.
SLOW_GO = """#!/bin/sh
case $1 in
env) echo '{"GOVERSION": "go1.26.8"}' ;;
build)
    [ -e ../../../../once ] || { : > ../../../../once; read -r _ < ../../../../gate; }
    while [ $# -gt 0 ]; do [ "$1" = -o ] && printf program > "$2"; shift; done ;;
esac
"""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def child(code: str, upstream: Upstream, cache: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", code, upstream.url, sha256(upstream.body), str(cache)]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_killed_fetch_leaves_nothing_that_counts(upstream: Upstream, cache: Path) -> None:
    upstream.pause = True
    with child(CHILD, upstream, cache) as killed:
        assert upstream.half.wait(PATIENCE)
        killed.send_signal(signal.SIGKILL)
    assert len(left(cache)) == 1
    assert programs(cache) == []
    upstream.go_on.set()
    fetch(archive(upstream.url, sha256(upstream.body)), "amd64", cache=cache)
    assert left(cache) == []
    assert upstream.requests == 2


def test_of_two_processes_one_fetches_and_the_other_waits(upstream: Upstream, cache: Path) -> None:
    upstream.pause = True
    with child(CHILD, upstream, cache) as first:
        assert upstream.half.wait(PATIENCE)
        with child(CHILD, upstream, cache) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "tool 1.0.0 amd64: another fetch of it is under way, waiting\n"
            upstream.go_on.set()
            assert (first.wait(PATIENCE), second.wait(PATIENCE)) == (0, 0)
    assert upstream.requests == 1


def test_of_two_greenlets_one_fetches_and_the_other_waits(upstream: Upstream, cache: Path) -> None:
    upstream.pause = True
    with child(GREENLETS, upstream, cache) as both:
        assert both.stdout is not None
        assert both.stdout.readline() == "tool 1.0.0 amd64: another fetch of it is under way, waiting\n"
        upstream.go_on.set()
        assert both.wait(PATIENCE) == 0
    assert upstream.requests == 1


def test_a_compiler_that_outlives_its_killed_fetch_is_waited_for(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "go").write_text(SLOW_GO)
    (tmp_path / "go").chmod(0o755)
    (tmp_path / "go.mod").write_text("module tiny\n\ngo 1.26\n")
    (tmp_path / "go.sum").touch()
    os.mkfifo(tmp_path / "gate")
    command = [sys.executable, "-c", BUILD, str(tmp_path), str(cache)]

    def start() -> subprocess.Popen[str]:
        env = {**os.environ, "PATH": str(tmp_path)}
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)

    with start() as killed:
        gate = (tmp_path / "gate").open("w")  # opens when the compiler is there
        killed.send_signal(signal.SIGKILL)
    with start() as second:
        assert second.stdout is not None
        assert second.stdout.readline() == "tiny 1.0.0 amd64: another fetch of it is under way, waiting\n"
        gate.close()
        assert second.wait(PATIENCE) == 0
    assert [path.read_text() for path in programs(cache)] == ["program"]
    assert left(cache) == []
