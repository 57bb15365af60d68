"""pyinfra, with a note of when each part of a run ends: ``python -m bench.phases FILE WORDS…`` is ``pyinfra WORDS…``.

FILE gets a list of [phase, seconds since the program was started, seconds computed since then], as JSON.
"""

from __future__ import annotations

import atexit
import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

_marks: list[tuple[str, float, float]] = []


def _age() -> float:
    """Seconds since this process was started (proc(5): field 22 of stat, in ticks of 1/100 s after boot)."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / 100


def mark(phase: str) -> None:
    """``phase`` is over now."""
    _marks.append((phase, _age(), time.process_time()))


def _after(module: Any, name: str, phase: str, before: str = "") -> None:
    """Have ``module.name`` end the phase, and what was before it another."""
    call: Callable[..., Any] = getattr(module, name)

    @wraps(call)
    def marked(*arguments: Any, **named: Any) -> Any:
        if before:
            mark(before)
        try:
            return call(*arguments, **named)
        finally:
            mark(phase)

    setattr(module, name, marked)


def main() -> None:
    """Run pyinfra in this process."""
    file = Path(sys.argv[1])
    sys.argv[:] = ["pyinfra", *sys.argv[2:]]
    from pyinfra.api import operations  # noqa: PLC0415 - to import it is the first thing that is measured

    cli, pyinfra = import_module("pyinfra_cli.cli"), import_module("pyinfra_cli.main")
    run_op = operations._run_single_op

    def run_single(state: Any, op_hash: str) -> None:
        run_op(state, op_hash)
        names = ", ".join(state.get_op_meta(op_hash).names)
        mark(names.rpartition("| ")[2])

    operations._run_single_op = run_single
    mark("Python, pyinfra")
    _after(cli, "_set_config", "config.py")
    _after(cli, "make_inventory", "inventory")
    _after(cli, "connect_all", "connect")
    _after(cli, "_handle_commands", "plan")
    _after(cli, "run_ops", "results", before="before operations")
    _after(cli, "disconnect_all", "disconnect", before="results")
    atexit.register(_write, file)
    pyinfra.main()


def _write(file: Path) -> None:
    mark("end")
    file.write_text(json.dumps(_marks))


if __name__ == "__main__":
    main()
