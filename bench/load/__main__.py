"""``make test-load``: what livekit-server costs, with stock configuration, with ours, and with candidates.

Everything is on loopback. The generator (generator/main.go) joins, sends and drops what it receives; what counts is the
server's own CPU in a window of seconds, for each packet that somebody has received in it. Runs are interleaved, and
only ratios mean something on another machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load.server import KEY, SECRET, Kind, Server, kinds, running

_GENERATOR = Path(__file__).parent / "generator"
_WARM = 3  # s before the window


@dataclass(frozen=True, slots=True)
class Workload:
    """Rooms with people, of whom ``senders`` send (0: all), and kbit/s of video from each besides sound."""

    rooms: int
    people: int
    senders: int = 0
    video: int = 0


WORKLOADS = {
    "sound, rooms of 2": Workload(20, 2),
    "sound, rooms of 5": Workload(6, 5),
    "720p, rooms of 4": Workload(3, 4, video=1500),
    "1080p, rooms of 2": Workload(4, 2, video=3000),
    "a room of 100, 3 of whom send": Workload(1, 100, 3),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: microseconds of CPU for each packet received, packets a second, MB in memory."""

    each: float
    rate: float
    memory: float


def generator() -> Path:
    """The program, built once for each version of its source."""
    sources = sorted(file for file in _GENERATOR.iterdir() if file.suffix in (".go", ".mod", ".sum"))
    name = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:12]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "livekit-metal/bench"
    made = base / f"load-{name}"
    if not made.exists():
        own = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
        subprocess.run(["go", "build", "-o", str(made), "."], cwd=_GENERATOR, env=os.environ | own, check=True)
    return made


def _measured(program: Path, kind: Kind, workload: Workload, seconds: int) -> Cost:
    with running(program, kind) as server:
        words = [str(generator()), "-url", f"ws://127.0.0.1:{server.port}", "-key", KEY, "-secret", SECRET]
        words += ["-rooms", str(workload.rooms), "-people", str(workload.people), "-senders", str(workload.senders)]
        words += ["-video", str(workload.video), "-seconds", str(_WARM + seconds + 1)]
        with (
            tempfile.TemporaryFile("w+") as said,  # it says more than a pipe holds
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said, text=True) as load,
        ):
            try:
                return _window(server, load, seconds)
            except (ValueError, KeyError) as error:
                said.seek(0)
                raise RuntimeError(f"the generator: {said.read()[-1500:]}") from error
            finally:
                load.kill()


def _window(server: Server, load: subprocess.Popen[str], seconds: int) -> Cost:
    """What the server used between two lines of the generator."""
    lines = load.stdout
    assert lines is not None
    assert "joined" in json.loads(lines.readline())
    for _ in range(_WARM):
        lines.readline()
    before = server.cpu
    packets = sum(int(json.loads(lines.readline())["packets"]) for _ in range(seconds))
    used, memory = server.cpu - before, server.memory
    if not packets:
        raise RuntimeError("nobody has received anything")
    return Cost(used / packets * 1e6, packets / seconds, memory)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20, help="of the window that is measured")
    parser.add_argument("--kinds", nargs="*", help="which configurations; all")
    given = parser.parse_args(words)
    program, compared = kinds()
    compared = {name: kind for name, kind in compared.items() if not given.kinds or name in given.kinds}
    print(f"microseconds of livekit-server's CPU for each packet received; median of {given.runs} interleaved runs")
    for what, workload in WORKLOADS.items():
        costs: dict[str, list[Cost]] = {name: [] for name in compared}
        for _ in range(given.runs):
            for name, kind in compared.items():
                costs[name].append(_measured(program, kind, workload, given.seconds))
        _print(what, costs)


def _print(what: str, costs: dict[str, list[Cost]]) -> None:
    print(f"\n{what}")
    base = statistics.median(cost.each for cost in next(iter(costs.values())))
    for name, each in costs.items():
        values = sorted(cost.each for cost in each)
        middle, rate = statistics.median(values), statistics.median(cost.rate for cost in each)
        memory = statistics.median(cost.memory for cost in each)
        spread = f"({values[0]:.0f} to {values[-1]:.0f})"
        print(
            f"  {name:12}{middle:5.0f} {spread:14}{middle / base:5.2f} x   {rate:6.0f} packets/s {memory:5.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
