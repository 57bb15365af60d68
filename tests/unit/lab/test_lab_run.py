"""Commands, locks and files of the lab: what is said when one fails, and what is left behind."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import __main__ as command_line
from lab.run import LabError, in_parallel, lock, run, run_logged, wait_until, write

CHECKOUT = Path(__file__).parents[3]


def test_a_failed_command_says_why() -> None:
    with pytest.raises(LabError, match=r"^sh: 'sh -c echo no >&2; exit 3' ended with 3: no; "):
        run("sh", "-c", "echo no >&2; exit 3")


def test_a_failed_long_command_shows_the_end_of_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    with pytest.raises(LabError, match=f"^counting: ended with 4; the whole log is {log}; try again$"):
        run_logged("counting", ["sh", "-c", "seq 100; exit 4"], log, "try again")
    assert capsys.readouterr().err.splitlines() == [str(n) for n in range(89, 101)]


def test_waiting_returns_what_came_or_what_was_last() -> None:
    answers = iter([None, None, "here"])
    assert wait_until(lambda: next(answers), 5, every=0) == "here"
    assert wait_until(lambda: None, 0) is None


def test_everybody_ends_before_an_error_is_raised() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            raise LabError("0", "failed", "mend it")
        ended.append(number)

    with pytest.raises(LabError, match="0: failed; mend it"):
        in_parallel(work, range(4))
    assert sorted(ended) == [1, 2, 3]


def test_a_file_has_its_mode_from_birth_and_is_left_alone_when_right(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "secret"
    write(file, "one\n", 0o600)
    first = file.stat()
    assert stat.S_IMODE(first.st_mode) == 0o600
    write(file, "one\n", 0o600)
    assert file.stat().st_ino == first.st_ino
    write(file, "two\n", 0o600)
    assert file.read_text() == "two\n"
    assert [path.name for path in file.parent.iterdir()] == ["secret"]


def holding(words: list[str], stdin: int) -> Any:
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=stdin, stdout=pipe, stderr=pipe, cwd=CHECKOUT)


def test_a_lock_waits_for_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    hold = "import sys, pathlib; from lab.run import lock\nwith lock(pathlib.Path(sys.argv[1]), 'x'): print('held'); "
    hold += "sys.stdout.flush(); sys.stdin.read()"
    words = [sys.executable, "-c", hold, str(path)]
    with holding(words, subprocess.PIPE) as first:
        assert first.stdout.readline() == b"held\n"
        with holding(words, subprocess.DEVNULL) as second:
            assert b"another lab command is at work on x" in second.stderr.readline()
            first.kill()
            assert second.stdout.readline() == b"held\n"


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock(path, "x"):
        path.unlink()
    with lock(path, "x"):
        assert path.exists()


def test_the_environment_names_the_lab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LAB", "nobody")
    assert command_line.main(["status"]) == 1
    assert capsys.readouterr().err.endswith("/.lab-nobody: is not a lab; run 'make lab'\n")
    assert command_line.main(["status", "--name", "noone"]) == 1
    assert "/.lab-noone: is not a lab" in capsys.readouterr().err
