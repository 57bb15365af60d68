"""The locks of a host, by the shell text that takes them there: in a directory of the test's, by real shells."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.run import wait_until
from livekit_metal.runtime.host.commands import changing
from livekit_metal.runtime.run import lock, lock_script
from tests.support.hosts.reachable import reachable

WORK = lock_script.WORK_LOCK
ADA = json.dumps({"who": "ada", "from": "desk", "pid": 7, "since": "noon"})
BOB = json.dumps({"who": "bob", "from": "desk", "pid": 8, "since": "noon"})
# What a deploy of an earlier version does to hold a host: its lock file has the mode that the umask gives.
OPEN = 'exec 9>>"$0"; '
FORMER = """flock -n 9 || { echo held; exit 1; }
printf '%s\\n' "$1" >$0.holder; echo $$ >$0.pid; echo taken; exec cat"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")


class Shells:
    """Shells that run a lock's text, with its files below a directory; they end when their input does."""

    def __init__(self, place: Path, stack: contextlib.ExitStack) -> None:
        self.place, self._stack = place, stack

    def path(self, lock: str) -> Path:
        return self.place / Path(lock).name

    def begin(self, *words: str, umask: int = 0o022) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, umask=umask, bufsize=1)
        self._stack.callback(process.wait, 20)
        self._stack.callback(process.stdin.close)  # type: ignore[union-attr]
        return process

    def hold(
        self, who: str = ADA, kind: lock._Kind = lock._HOST, umask: int = 0o022
    ) -> tuple[str, subprocess.Popen[str]]:
        """The answer to an attempt, and the process that has the lock if it was taken."""
        text = kind.hold.replace('[ "$me" = 0 ]', "true")
        files = map(str, map(self.path, (kind.file, *kind.beside)))
        process = self.begin("sh", "-c", text, "sh", who, *files, umask=umask)
        return said(process), process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait(20)


@pytest.fixture
def shells(tmp_path: Path) -> Iterator[Shells]:
    with contextlib.ExitStack() as stack:
        yield Shells(tmp_path, stack)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_can_open_a_lock_from_its_birth(shells: Shells, umask: int) -> None:
    assert shells.hold(umask=umask)[0] == "taken"
    assert shells.hold(kind=lock._SITE, umask=umask)[0] == "taken"
    made = {path.name: path.stat().st_mode & 0o777 for path in shells.place.iterdir()}
    assert set(made) > {"livekit-metal.lock", "livekit-metal.work", "livekit-metal.site", "livekit-metal.guard"}
    assert set(made.values()) == {0o600}


def test_a_second_run_is_told_who_has_it_and_gets_it_when_the_first_has_ended(shells: Shells) -> None:
    answer, first = shells.hold()
    assert answer == "taken"
    assert shells.hold(BOB)[0] == f"held {ADA}"
    end(first)
    assert shells.hold(BOB)[0] == "taken"


def test_of_two_drains_at_once_the_second_is_told_of_the_first(shells: Shells) -> None:
    """The lock of the site is one for all its hosts, and nobody's deploy is in its way."""
    answer, first = shells.hold(kind=lock._SITE)
    assert answer == "taken"
    assert shells.hold(BOB, lock._SITE)[0] == f"held {ADA}"
    assert shells.hold(BOB)[0] == "taken"
    end(first)
    assert shells.hold(BOB, lock._SITE)[0] == "taken"


def test_a_lock_of_the_site_that_somebody_has_made_otherwise_is_replaced(shells: Shells) -> None:
    shells.path(lock_script.SITE_LOCK).touch(0o644)
    assert shells.hold(kind=lock._SITE)[0] == "taken"
    assert shells.path(lock_script.SITE_LOCK).stat().st_mode & 0o777 == 0o600


def test_what_holds_it_and_is_no_run_is_named(shells: Shells) -> None:
    end(shells.hold()[1])
    shells.begin("flock", str(shells.path(lock_script.LOCK)), "sh", "-c", "echo got; exec cat").stdout.readline()  # type: ignore[union-attr]
    answer, _ = shells.hold(BOB)
    assert answer.startswith("seized -\tprocess ")
    assert "flock" in answer


@pytest.fixture
def stranger(shells: Shells) -> Callable[[str], None]:
    """Has another account hold a lock file of an earlier version, from now on."""

    def hold(lock: str) -> None:
        path = shells.path(lock)
        path.touch(0o644)
        path.chmod(0o644)
        reachable(shells.place)
        other = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        process = shells.begin(*other, "sh", "-c", "exec 9<$0; flock -x 9; echo got; exec cat", str(path))
        assert said(process) == "got"

    return hold


@needs_root
@pytest.mark.parametrize("lock", [lock_script.LOCK, lock_script.WORK_LOCK])
def test_another_account_that_holds_a_file_of_an_earlier_version_stops_nobody(
    shells: Shells, stranger: Callable[[str], None], lock: str
) -> None:
    stranger(lock)
    answer, first = shells.hold()
    assert answer == "taken"
    assert shells.path(lock).stat().st_mode & 0o777 == 0o600
    assert shells.hold(BOB)[0] == f"held {ADA}"
    end(first)
    assert run(shells, "echo done") == "done\n"


def change(shells: Shells, script: str, *args: str, wait: int = 1) -> str:
    """The command that carries out a change, with the test's lock."""
    return changing(script, *args, wait=wait).get_raw_value().replace(lock_script.WORK_LOCK, str(shells.path(WORK)))


def run(shells: Shells, script: str, *args: str, umask: int = 0o022, wait: int = 1) -> str:
    command = change(shells, script, *args, wait=wait)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, umask=umask, timeout=30)
    return done.stdout + done.stderr


def test_a_deploy_of_an_earlier_version_and_one_of_this_exclude_each_other(shells: Shells) -> None:
    lock = str(shells.path(lock_script.LOCK))
    former = shells.begin("sh", "-c", OPEN + FORMER, lock, BOB)
    assert said(former) == "taken"
    assert shells.hold()[0] == f"held {BOB}"
    assert shells.path(lock_script.LOCK).stat().st_mode & 0o777 == 0o644, "it still is the one that the former has"
    late = shells.begin("sh", "-c", f"{OPEN}read -r _; {FORMER}", lock, BOB)
    wait_until(lambda: Path(f"/proc/{late.pid}/fd/9").exists(), seconds=10)
    end(former)
    assert shells.hold()[0] == "taken"
    assert said(shells.begin("sh", "-c", OPEN + FORMER, lock, BOB)) == "held", "by the new file"
    assert late.stdin is not None
    late.stdin.write("go\n")
    assert said(late) == "held", "by the old file, which it had opened before"


@pytest.mark.parametrize("former", [False, True])
def test_a_command_that_a_dead_run_has_left_is_seen(shells: Shells, former: bool) -> None:
    """Also one of an earlier version, which has locked the file that others could open."""
    work = str(shells.path(lock_script.WORK_LOCK))
    script = "echo got; cat >/dev/null"
    command = change(shells, script)
    words = ("flock", "-s", "-o", work, "sh", "-c", script) if former else ("sh", "-c", command)
    left = shells.begin(*words)
    assert said(left) == "got"
    answer, _ = shells.hold()
    assert answer.startswith("orphan ")
    assert "\tprocess " in answer
    end(left)
    assert shells.hold()[0] == "taken"


def test_a_change_does_not_wait_for_ever(shells: Shells) -> None:
    end(shells.hold()[1])
    work = str(shells.path(lock_script.WORK_LOCK))
    holder = shells.begin("flock", work, "sh", "-c", "echo got; exec cat")
    assert said(holder) == "got"
    assert run(shells, "echo done") == lock_script.BUSY.replace(WORK, work) + "\n"
    who = subprocess.run(["sh", "-c", lock_script.HOLDERS, "sh", work], capture_output=True, text=True, check=True)
    assert f"process {holder.pid} since 20" in who.stdout
    end(holder)
    assert run(shells, "echo done") == "done\n"


def test_a_daemon_that_a_command_leaves_behind_keeps_no_lock(shells: Shells) -> None:
    marker = shells.place / "end"
    leave = 'while [ ! -e "$1" ]; do sleep 0.1; done >/dev/null 2>&1 </dev/null &'
    assert run(shells, leave, str(marker)) == ""
    assert shells.hold()[0] == "taken"
    marker.touch()


def test_a_commands_status_and_words_are_its_own(shells: Shells) -> None:
    command = change(shells, 'echo "$1 $0"; exit 7', "a b")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "a b sh\n")


def test_who_has_logged_in_is_not_asked_of_the_caller(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "SUDO_USER", "SSH_CONNECTION"):
        monkeypatch.setenv(name, "mallory")
    assert shells.hold()[0] == "taken"
    assert wait_until(lambda: shells.path(f"{lock_script.LOCK}.login").read_text(), seconds=10)
    assert "mallory" not in shells.path(f"{lock_script.LOCK}.login").read_text()


def test_who_has_it_is_told_to_whoever_looks_until_it_is_taken_away(shells: Shells) -> None:
    def ask(program: str) -> subprocess.CompletedProcess[str]:
        words = ["sh", "-c", program, "sh", str(shells.path(lock_script.LOCK))]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    assert ask(lock_script.HOLDER).stdout == ""
    _, process = shells.hold()
    assert ask(lock_script.HOLDER).stdout == f"{ADA}\n"
    assert ask(lock_script.END_HOLDER).returncode == 0
    process.wait(20)
    assert ask(lock_script.HOLDER).stdout == "", "what it has said of itself is still there"
    assert ask(lock_script.END_HOLDER).returncode != 0
    assert shells.hold(BOB)[0] == "taken"
