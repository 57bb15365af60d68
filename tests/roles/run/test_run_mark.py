"""Who runs, and whether a run still lives: on any controller, and not as the environment would have it."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.runtime.run import lock, run_mark
from tests.support.hosts.lab import ROOT

RUN = "from livekit_metal.runtime.run import run_mark; import sys; print(run_mark.mine(), flush=True); sys.stdin.read()"
# As on a system without /proc.
BARE = """import sys
from livekit_metal.runtime.run import lock
def hook(event, args):
    if event == "open" and str(args[0]).startswith("/proc"):
        raise FileNotFoundError(args[0])
sys.addaudithook(hook)
class host:
    class state:
        current_deploy_filename = "deploy.py"
print(lock._gone(lock._me(host)))
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another run of this account on this machine."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", RUN], cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.kill()


def test_a_run_that_was_killed_is_gone_and_one_that_lives_is_not(other: subprocess.Popen[str]) -> None:
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    assert not run_mark.gone(name)
    other.send_signal(signal.SIGKILL)
    other.wait(10)
    assert run_mark.gone(name)


def test_a_run_that_has_ended_leaves_nothing(other: subprocess.Popen[str], tmp_path: Path) -> None:
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    other.communicate("", timeout=10)
    assert not list(tmp_path.rglob(name))


@pytest.mark.parametrize("name", ["", "0123abcd", "../../etc/passwd", "/etc/passwd"])
def test_a_run_of_elsewhere_is_never_taken_for_gone(name: str) -> None:
    assert not run_mark.gone(name)


def test_a_lock_needs_no_proc_on_the_controller() -> None:
    done = subprocess.run([sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("name", ["LOGNAME", "USER", "LNAME", "USERNAME"])
def test_who_runs_is_not_what_the_environment_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "mallory")
    assert lock.operator()[0] == pwd.getpwuid(os.getuid()).pw_name
