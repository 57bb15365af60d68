"""What runs code that is no longer on disk: real processes with real libraries, replaced as dpkg does it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.state import HostState, parse, script

UNIT = "livekit-edge.service"
_LOAD = """import ctypes, mmap, os, sys
kept = [ctypes.CDLL(name) for name in sys.argv[2:]]
made = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); os.write(made, b"x" * 4096); os.unlink(sys.argv[1])
page = mmap.mmap(made, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)  # what GStreamer's ORC does
print("loaded", flush=True); sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with two libraries; their code is of this machine."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    loaded = next(word for line in maps if "/libc.so" in (word := line.split()[-1]))
    for name in ("liba.so.1", "libb.so"):
        shutil.copy(loaded, tmp_path / name)
    return tmp_path


@pytest.fixture
def process(home: Path) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", _LOAD, home / "orcexec.1", home / "liba.so.1", home / "libb.so"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "loaded\n"
        yield started
        started.kill()


@pytest.fixture
def look(process: subprocess.Popen[str]) -> Callable[[], list[str]]:
    """What the probe says, for a host whose only unit has this process. Below /tmp nothing counts: here it does."""
    text = old_code.SCRIPT.replace(old_code.OURS, f"echo /proc/{process.pid}/cgroup:{UNIT}")
    text = text.replace("tmp|var", "var")

    def said() -> list[str]:
        done = subprocess.run(["sh", "-s"], input=text, capture_output=True, text=True, check=True)
        assert not done.stderr
        return done.stdout.splitlines()

    return said


def replace(file: Path) -> None:
    """As dpkg does: the same content is another file then."""
    new = file.with_name(f"{file.name}.dpkg-new")
    shutil.copy(file, new)
    new.rename(file)


def test_a_library_that_was_replaced_is_told_and_no_data(
    look: Callable[[], list[str]], process: subprocess.Popen[str], home: Path
) -> None:
    assert look() == []
    replace(home / "liba.so.1")
    assert look() == [f"{UNIT} {process.pid} {home}/liba.so.1"]
    (home / "libb.so").unlink()
    assert sorted(line.rsplit("/", 1)[1] for line in look()) == ["liba.so.1", "libb.so"]


@pytest.mark.skipif(os.getuid() != 0, reason="mounts")
def test_a_library_that_was_mounted_over_is_told(
    look: Callable[[], list[str]], process: subprocess.Popen[str], home: Path
) -> None:
    """Only for whoever has the mount: it is the process' own root that counts."""
    shutil.copy(home / "liba.so.1", home / "new")
    inside = ["nsenter", "-t", str(process.pid), "-m"]
    mount = [*inside, "mount", "--bind", home / "new", home / "liba.so.1"]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode()}")
    try:
        assert look() == [f"{UNIT} {process.pid} {home}/liba.so.1"]
    finally:
        subprocess.run([*inside, "umount", home / "liba.so.1"], check=True)


def seen(*lines: str) -> HostState:
    return HostState(units={UNIT: {"MainPID": "7"}}, answers={"old-code": list(lines)})


def test_processes_are_told_apart() -> None:
    lines = ("7 /usr/lib/libssl.so.3", "9 /usr/lib/lib with blanks.so", "7 /usr/sbin/haproxy")
    both = seen(*(f"{UNIT} {line}" for line in lines))
    assert old_code.found(both) == {
        UNIT: (
            old_code.Old(UNIT, "7", True, ("/usr/lib/libssl.so.3", "/usr/sbin/haproxy")),
            old_code.Old(UNIT, "9", False, ("/usr/lib/lib with blanks.so",)),
        )
    }
    assert (old_code.of_any(both, UNIT), old_code.of_main(both, UNIT)) == (True, True)
    drains = seen(f"{UNIT} 9 /usr/lib/libssl.so.3")
    assert (old_code.of_any(drains, UNIT), old_code.of_main(drains, UNIT)) == (True, False)
    assert not old_code.of_any(seen(), UNIT)
    assert old_code.files(old_code.found(both)[UNIT]) == "libssl.so.3, haproxy, lib with blanks.so"


def test_the_look_brings_it_home() -> None:
    """No process of this machine is one of ours."""
    done = subprocess.run(["sh", "-s"], input=script(old_code.needs()), capture_output=True, text=True, check=True)
    assert parse(done.stdout).answers == {"old-code": []}
