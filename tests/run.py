"""``python -m tests.run``: every lab the promises need, two at work at once, each gone afterwards.

What judges the media of calls has the machine for itself meanwhile. Prints what ran where and for how long; exit status
1 when anything failed. ``python -m tests.run NAME…`` runs only those rows; those of `make test-faults` only
then. To run a layer by hand nothing here is needed: tests/README.md.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.turns import Turns

# these have rows of their own
_FAULTS = "tests/faults " + " ".join(
    f"--ignore=tests/faults/{what}"
    for what in ("calls", "cluster", "doctor", "test_disk_full.py", "test_afterwards.py")
)
# under a call, and that calls are heard after all of it
_UNDER_A_CALL = "tests/faults/test_disk_full.py tests/faults/test_afterwards.py"
_CALL = "tests/online/test_call.py"
# but what another row proves, and with more: tokens and paths over TLS, moved ports and passwords with three hosts
_EACH = "tests/online --ignore=tests/online/test_tokens.py"
_ONLINE = f"{_EACH} --ignore=tests/online/test_batches.py"
_ONE = f"{_EACH} --ignore=tests/online/test_paths.py --ignore=tests/online/test_moved.py"
_TLS = " ".join(f"tests/online/test_{what}.py" for what in ("certificate", "paths", "turn", "relay", "scan", "tokens"))
_ACME = "tests/acme/test_issue.py tests/acme/test_retired.py"
# What depends on the system of a host and not on the site: rows one and trixie have it, for each system once.
_SYSTEM = ("tree", "preflight", "base", "kernel")
_SITE = "tests/host " + " ".join(f"--ignore=tests/host/test_{what}.py" for what in _SYSTEM)
_TELLING = re.compile(r"FAILED |ERROR |E   |lab: .*(not|cannot)|.*(No space|OSError)")
ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
TOGETHER = 2  # rows at work at once, on the two cores that `make test` is meant for
LABS = 5  # that are up at once; one that waits for its turn does next to nothing


@dataclass(frozen=True)
class Step:
    """What pytest is given, and whether nothing else may run on this machine meanwhile."""

    words: str  # as a shell would split them
    alone: bool = False


_LONG, _SHORT = "-m long", "-m 'not long'"


def _alone(words: str) -> Step:
    """Tests that judge the media of calls, which a busy machine would disturb."""
    return Step(words, alone=True)


@dataclass(frozen=True)
class Row:
    """A lab, the inventory deployed on it, and the tests that then run against it."""

    name: str  # of the lab: seven characters at most
    hosts: int
    release: str = "bookworm"
    inventory: str = "inventories/lab.py"
    steps: tuple[Step, ...] = ()
    bench: bool = False
    hardened: bool = False  # hosts with umask 027, deployed by a user with sudo
    bare: bool = False  # the first of its tests deploys it
    asked: bool = False  # runs only when it is named: longer than every change can wait for


_AFTERWARDS = "tests/faults/test_afterwards.py"
ROWS = (
    # hardened: a first deploy that is killed, changes and a removal are all in its tests
    Row(
        "one",
        hosts=1,
        steps=(Step("tests/host"), Step(f"{_FAULTS} {_SHORT}"), _alone(_ONE), _alone(_UNDER_A_CALL)),
        bench=True,
        hardened=True,
    ),
    # lk2 and lk3 are alike: row cluster looks at lk2 too
    Row(
        "three",
        hosts=3,
        steps=(
            Step(f"{_SITE} -k 'not lk2'"),
            _alone(f"{_ONLINE} --ignore=tests/online/test_old_code.py"),
        ),
    ),
    Row(
        "media",
        hosts=1,
        inventory="inventories/lab_media.py",
        steps=(Step(_SITE), _alone(f"tests/media tests/sip {_SHORT}")),
    ),
    Row(
        "tls", hosts=1, inventory="inventories/lab_tls.py", steps=(Step(_SITE), Step(_ACME), _alone(f"{_CALL} {_TLS}"))
    ),
    # Debian 13, and every port and path moved: a row for each would prove no more
    Row(
        "trixie",
        hosts=1,
        release="trixie",
        inventory="inventories/alternative.py",
        steps=(Step("tests/host"), _alone(_CALL)),
    ),
    Row("calls", hosts=1, steps=(_alone(f"tests/faults/calls {_AFTERWARDS}"),), asked=True),
    Row(
        "steps",
        hosts=1,
        steps=(Step("tests/faults/test_fresh_host.py tests/faults/test_killed.py --every-step"), _alone(_AFTERWARDS)),
        hardened=True,
        asked=True,
    ),
    Row("long", hosts=1, steps=(Step(f"{_FAULTS} {_LONG}"), _alone(_AFTERWARDS)), hardened=True, asked=True),
    Row(
        "longmed",
        hosts=1,
        inventory="inventories/lab_media.py",
        steps=(_alone(f"tests/media tests/sip {_LONG}"), _alone(_CALL)),
        asked=True,
    ),
    Row("cluster", hosts=3, steps=(Step("tests/host"), _alone(f"tests/faults/cluster {_AFTERWARDS}")), asked=True),
    Row("acme", hosts=3, inventory="inventories/lab_tls.py", steps=(_alone("tests/acme"),), asked=True),
    Row(
        "doctor",
        hosts=2,
        inventory="inventories/lab_doctor.py",
        steps=(_alone(f"tests/faults/doctor {_AFTERWARDS}"),),
        asked=True,
    ),
    # a host with a web server, a tunnel and a bridge of containers, before its first deploy
    Row(
        "field",
        hosts=1,
        inventory="inventories/lab_field.py",
        steps=(Step("tests/field"), _alone("tests/online/test_paths.py")),
        bare=True,
        asked=True,
    ),
)


class _Screen:
    """What several rows say at once, none in the middle of another's words."""

    def __init__(self, rows: int) -> None:
        self._one = rows == 1  # shown as it comes
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        with self._lock:
            sys.stdout.write(text)
            sys.stdout.flush()

    def arrived(self, text: str) -> None:
        if self._one:
            self.say(text)

    def over(self, title: str, text: str) -> None:
        """A step has ended; ``text`` is all that it said."""
        self.say(f"--> {title}\n" if self._one else f"--> {title}; it said:\n{text}")


def _started(command: list[str], environment: dict[str, str], arrived: Callable[[str], None]) -> tuple[int, str]:
    """Run a command to its end: (its exit status, all that it said)."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        whole, decode = "", codecs.getincrementaldecoder("utf-8")("replace").decode
        while piece := process.stdout.read(4096):
            arrived(text := decode(piece))
            whole += text
    return process.returncode, whole


@dataclass(frozen=True)
class _Ran:
    row: Row
    failed: list[str]
    telling: list[str]  # the lines that say why
    worked: float  # s, its waiting for a turn not counted

    @property
    def line(self) -> str:
        what = f"{self.row.hosts} host(s), {self.row.release}, {self.row.inventory}"
        said = "failed: " + ", ".join(self.failed) if self.failed else "passed"
        return f"    {self.row.name:8} {what:50} {said:30} {self.worked:6.0f} s"


def _run(row: Row, turns: Turns, screen: _Screen) -> _Ran:
    environment = os.environ | {"LAB": row.name, "INVENTORY": row.inventory}
    said: list[str] = []
    worked = 0.0

    def step(*words: str, alone: bool = False) -> bool:
        nonlocal worked
        title = f"[{row.name}] {shlex.join(words)}"
        with turns.turn(alone=alone):
            screen.say(f"--> {title}\n")
            began = time.monotonic()
            status, text = _started([PYTHON, "-m", *words], environment, screen.arrived)
            took = time.monotonic() - began
        worked += took
        screen.over(f"{title}: exit status {status} after {took:.0f} s", text)
        said.extend(text.splitlines())
        return status == 0

    failed: list[str] = []
    try:
        hosts = ["--hosts", str(row.hosts), "--release", row.release, *(["--hardened"] if row.hardened else [])]
        demo = ["up", *hosts] if row.bare else ["demo", *hosts, "--inventory", row.inventory]
        if not step("lab", *demo):
            return _Ran(row, [demo[0]], said[-20:], worked)
        for each in row.steps:
            words = shlex.split(each.words)
            if not step("pytest", *words, alone=each.alone):
                failed.append(words[0])
        if row.bench and not step("bench", alone=True):
            failed.append("bench")
    finally:
        if not step("lab", "down"):
            failed.append("down")
    return _Ran(row, failed, [line for line in said if _TELLING.match(line)] if failed else [], worked)


def main() -> int:
    chosen = [row for row in ROWS if row.name in sys.argv[1:] or not (sys.argv[1:] or row.asked)]
    turns, screen = Turns(TOGETHER), _Screen(len(chosen))
    began = time.monotonic()
    with ThreadPoolExecutor(LABS) as pool:
        ran = list(pool.map(lambda row: _run(row, turns, screen), chosen))
    # once more at the end, where whoever sees only the last page of a log finds it
    why = [f"[{each.row.name}] {line}" for each in ran for line in each.telling]
    print("\n".join(["", *why, "", *(each.line for each in ran)]))
    bad = sum(bool(each.failed) for each in ran)
    print(f"{len(ran) - bad} passed, {bad} failed in {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
