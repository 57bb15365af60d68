"""Commands, waiting and progress lines. Everything an operator of the lab sees is printed from here."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from livekit_metal.core.errors import Problem
from livekit_metal.runtime.artifacts.status_line import StatusLine

T = TypeVar("T")

TAIL = 12  # lines of a log shown when its command failed


class LabError(Exception):
    """The lab cannot go on; its text is ``path: fact; remedy``."""

    def __init__(self, path: object, fact: str, remedy: str) -> None:
        super().__init__(str(Problem(str(path), fact, remedy)))


def say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Say what begins, and what it took once it is complete (nothing when it fails)."""
    say(f"{text} …")
    began = time.monotonic()
    yield
    say(f"{text}: done in {time.monotonic() - began:.1f} s")


def run(*command: str | Path, stdin: str | None = None) -> str:
    """Run a short command to its end and return what it printed. Raises LabError with its error text."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip() or "no output").replace("\n", " | ")
        fact = f"'{' '.join(words)}' ended with {done.returncode}: {told}"
        raise LabError(words[0], fact, "see its message")
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Whether a command ends with 0; its output is dropped."""
    return subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode == 0


def run_logged(what: str, command: Sequence[str | Path], log: Path, remedy: str) -> None:
    """Run a long command into ``log`` with signs of life; on failure show the log's end, raise LabError."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )
        began = time.monotonic()
        with StatusLine() as show:
            while True:
                try:
                    status = child.wait(1)
                    break
                except subprocess.TimeoutExpired:
                    show(f"lab:   {time.monotonic() - began:3.0f} s  {tail(log, 1)[:90]}", what)
                except BaseException:
                    child.kill()
                    child.wait()
                    raise
    if status:
        print(tail(log, TAIL), file=sys.stderr)
        raise LabError(what, f"ended with {status}; the whole log is {log}", remedy)


def tail(path: Path, lines: int) -> str:
    """The last ``lines`` lines of a text file, or nothing when there is no such file."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def wait_until(condition: Callable[[], T], seconds: float, every: float = 0.05) -> T:
    """Wait until ``condition`` holds and return what it says; what it said last when ``seconds`` are over."""
    end = time.monotonic() + seconds
    while not (said := condition()) and time.monotonic() < end:
        time.sleep(every)
    return said


def in_parallel(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Do ``work`` for every item at once; the first error is raised when all have ended."""
    listed = list(items)
    with ThreadPoolExecutor(max(1, len(listed))) as pool:
        working = [pool.submit(work, item) for item in listed]
    for one in working:
        one.result()


@contextlib.contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold a kernel lock on ``path``, free however this process ends. Its holder may remove the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"another lab command is at work on {what}; waiting for its end")
                fcntl.flock(held, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(held.fileno()).st_ino:
                yield
                return


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Put a file in place by one rename, unless it is right already; ``mode`` holds from birth."""
    if path.is_file() and path.read_text() == text and path.stat().st_mode & 0o7777 == mode:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
        os.fchmod(out.fileno(), mode)
        out.write(text)
    new.rename(path)
