"""``python -m tests.run``: every lab the promises need, one after the other, each gone afterwards.

Prints what ran where and for how long; exit status 1 when anything failed. ``python -m tests.run NAME…`` runs only
those rows; "calls", "cluster", "doctor" and "acme" only then. To run a layer by hand nothing here is needed:
tests/README.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# these have rows of their own
_FAULTS = "tests/faults --ignore=tests/faults/calls --ignore=tests/faults/cluster --ignore=tests/faults/doctor"
_CALL = "tests/online/test_call.py"
# but what another row proves, and with more: tokens and paths over TLS, moved ports and passwords with three hosts
_EACH = "tests/online --ignore=tests/online/test_tokens.py"
_ONLINE = f"{_EACH} --ignore=tests/online/test_batches.py"
_ONE = f"{_EACH} --ignore=tests/online/test_paths.py --ignore=tests/online/test_moved.py"
_TLS = " ".join(f"tests/online/test_{what}.py" for what in ("certificate", "paths", "turn", "relay", "scan", "tokens"))
_ACME = "tests/acme/test_issue.py tests/acme/test_retired.py"
_TELLING = re.compile(r"FAILED |ERROR |E   |lab: .*(not|cannot)|.*(No space|OSError)")
ROOT = Path(__file__).parents[1]
PYTHON = sys.executable


@dataclass(frozen=True)
class Row:
    """A lab, the inventory deployed on it, and the tests that then run against it."""

    name: str  # of the lab: seven characters at most
    hosts: int
    release: str = "bookworm"
    inventory: str = "inventories/lab.py"
    tests: tuple[str, ...] = ("tests/host", _ONLINE)  # what pytest is given
    bench: bool = False
    hardened: bool = False  # hosts with umask 027, deployed by a user with sudo
    asked: bool = False  # runs only when it is named: longer than every change can wait for


ROWS = (
    # hardened: a first deploy killed at every step, changes and a removal are all in its tests
    Row("one", hosts=1, tests=("tests/host", _ONE, _FAULTS), bench=True, hardened=True),
    Row("three", hosts=3, tests=("tests/host", f"{_ONLINE} --ignore=tests/online/test_old_code.py")),
    Row("tls", hosts=1, inventory="inventories/lab_tls.py", tests=("tests/host", f"{_CALL} {_TLS}", _ACME)),
    # Debian 13, and every port and path moved: a row for each would prove no more
    Row("trixie", hosts=1, release="trixie", inventory="inventories/alternative.py", tests=("tests/host", _CALL)),
    Row("media", hosts=1, inventory="inventories/lab_media.py", tests=("tests/host", "tests/media", "tests/sip")),
    Row("calls", hosts=1, tests=("tests/faults/calls", "tests/faults/test_afterwards.py"), asked=True),
    Row("cluster", hosts=3, tests=("tests/faults/cluster", "tests/faults/test_afterwards.py"), asked=True),
    Row("acme", hosts=3, inventory="inventories/lab_tls.py", tests=("tests/acme",), asked=True),
    Row(
        "doctor",
        hosts=2,
        inventory="inventories/lab_doctor.py",
        tests=("tests/faults/doctor", "tests/faults/test_afterwards.py"),
        asked=True,
    ),
)


def _streamed(command: list[str], environment: dict[str, str], said: list[str]) -> int:
    """Run a command, show what it says at once, and keep it in ``said``; its exit status."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as process:
        assert process.stdout is not None
        whole = b""
        while piece := process.stdout.read(4096):
            sys.stdout.buffer.write(piece)
            sys.stdout.flush()
            whole += piece
    said += whole.decode(errors="replace").splitlines()
    return process.returncode


def _run(row: Row) -> tuple[list[str], list[str]]:
    """What failed of a row, and the lines that say why."""
    environment = os.environ | {"LAB": row.name, "INVENTORY": row.inventory}

    said: list[str] = []

    def step(*words: str) -> bool:
        print(f"--> [{row.name}] {' '.join(words)}", flush=True)
        return _streamed([PYTHON, "-m", *words], environment, said) == 0

    failed: list[str] = []
    try:
        hosts = ["--hosts", str(row.hosts), "--release", row.release, *(["--hardened"] if row.hardened else [])]
        if not step("lab", "demo", *hosts, "--inventory", row.inventory):
            failed.append("demo")
            return failed, said[-20:]
        failed += [t.split()[0] for t in row.tests if not step("pytest", *t.split())]
        if row.bench and not step("bench"):
            failed.append("bench")
    finally:
        if not step("lab", "down"):
            failed.append("down")
    return failed, [line for line in said if _TELLING.match(line)]


def main() -> int:
    chosen = [row for row in ROWS if row.name in sys.argv[1:] or not (sys.argv[1:] or row.asked)]
    table, why, bad = [], list[str](), 0
    for row in chosen:
        began = time.monotonic()
        failed, telling = _run(row)
        bad += bool(failed)
        why += [f"[{row.name}] {line}" for line in telling] if failed else []
        what = f"{row.hosts} host(s), {row.release}, {row.inventory}"
        said = "failed: " + ", ".join(failed) if failed else "passed"
        table.append(f"    {row.name:8} {what:50} {said:30} {time.monotonic() - began:6.0f} s")
    # once more at the end, where whoever sees only the last page of a log finds it
    print("\n".join(["", *why, "", *table]))
    print(f"{len(chosen) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
