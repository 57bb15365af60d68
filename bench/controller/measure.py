"""What planning a first deploy of many hosts costs the controller: time and memory."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_INVENTORY = "bench/controller/many.py"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run. ``seconds`` passed, ``cpu`` were computed, ``memory`` is the largest in MB (0 with a profile)."""

    hosts: int
    seconds: float
    cpu: float
    memory: float
    said: str


# Its own largest memory: ru_maxrss of a child has that of whoever started it, up to its exec.
_PEAK = """
import atexit, pathlib, runpy, sys
peak, sys.argv = pathlib.Path(sys.argv[1]), sys.argv[2:]
atexit.register(lambda: peak.write_text(pathlib.Path("/proc/self/status").read_text()))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def dry(hosts: int, latency: float = 0.0, profile: Path | None = None) -> Cost:
    """Plan a first deploy of ``hosts`` hosts, each of which answers after ``latency`` seconds. Raises RuntimeError.

    ``profile`` gets what cProfile counted: its calls tell how work grows, however busy the machine is.
    """
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "program"
        program.write_bytes(b"a program that nobody starts")
        environment = os.environ | {
            "BENCH": directory,
            "BENCH_SHA256": hashlib.sha256(program.read_bytes()).hexdigest(),
            "HOSTS": str(hosts),
            "LATENCY": str(latency),
            "PYTHONPATH": str(ROOT),
            "PYINFRA_PROGRESS": "off",
            "XDG_CONFIG_HOME": directory,
        }
        program_words, peak = [str(Path(sys.executable).parent / "pyinfra")], Path(directory) / "peak"
        if profile:
            program_words = [sys.executable, "-m", "cProfile", "-o", str(profile), *program_words]
        else:
            program_words = [sys.executable, "-c", _PEAK, str(peak), *program_words]
        words = [*program_words, "--dry", _INVENTORY, "deploy.py"]
        log = Path(directory) / "log"
        with log.open("wb") as out:
            began = time.perf_counter()
            running = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
            _, status, used = os.wait4(running.pid, 0)
            seconds = time.perf_counter() - began
        running.returncode = os.waitstatus_to_exitcode(status)
        said = log.read_text()
        if running.returncode:
            raise RuntimeError(said[-2000:])
        memory = 0 if profile else int(re.findall(r"VmHWM:\s+(\d+) kB", peak.read_text())[0]) / 1024
        return Cost(hosts, seconds, used.ru_utime + used.ru_stime, memory, said)
