"""One run: a server of a kind, people in rooms of it, and what it has computed for them in a window of seconds."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.load.programs import generator
from bench.load.server import KEY, SECRET, Kind, Server, running

WARM = 3  # s before the window
OFF = 0.1  # what may be missing of the packets that people would send, or come late and on top, if a run is to count
BUSY = 0.6  # of a core in use: what livekit_metal/core/sizing.py allows


class StarvedError(Exception):
    """The generator did not send, or could not take, what it should: the packets cost something else then."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Rooms with people, of whom ``senders`` send (-1: all), and kbit/s of video from each besides sound."""

    rooms: int
    people: int
    senders: int = -1
    video: int = 0

    @property
    def words(self) -> list[str]:
        """For the generator."""
        senders = self.people if self.senders < 0 else self.senders
        values = {"rooms": self.rooms, "people": self.people, "senders": senders, "video": self.video}
        return [word for name, value in values.items() for word in (f"-{name}", str(value))]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: microseconds of CPU for each packet received, packets a second, MB in memory."""

    each: float
    rate: float
    memory: float

    def rooms(self, workload: Workload) -> float:
        """Rooms of this kind that one core carries, BUSY of it in use."""
        return BUSY * workload.rooms / (self.each * self.rate / 1e6)


@dataclass(frozen=True, slots=True)
class Load:
    """The generator, with everybody in."""

    process: subprocess.Popen[str]
    lines: IO[str]
    rate: float  # packets a second that everybody together should receive
    took: float  # s until everybody was in

    def second(self) -> int:
        """Packets received in its next second. Raises RuntimeError when it has ended."""
        if not (line := self.lines.readline()):
            raise RuntimeError("the generator has ended")
        return int(json.loads(line)["packets"])


@contextlib.contextmanager
def joined(workload: Workload, port: int, seconds: int, *more: str, trusted: Path | None = None) -> Iterator[Load]:
    """Everybody in rooms of the server at ``port``, who stay for ``seconds`` at most.

    Over TLS when there is a CA to trust. Raises RuntimeError with the generator's words when that fails.
    """
    url = f"{'wss' if trusted else 'ws'}://127.0.0.1:{port}"
    words = [str(generator()), "-url", url, "-key", KEY, "-secret", SECRET, *workload.words, *more]
    words += ["-seconds", str(seconds)]
    environment = {"SSL_CERT_FILE": str(trusted)} if trusted else None
    began = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as said,  # it says more than a pipe holds
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said, text=True, env=environment) as load,
    ):
        try:
            assert load.stdout is not None
            if not (first := load.stdout.readline()):
                said.seek(0)
                raise RuntimeError(f"the generator: {said.read()[-1500:]}")
            yield Load(load, load.stdout, json.loads(first)["rate"], time.monotonic() - began)
        finally:
            load.kill()


def measured(kind: Kind, workload: Workload, seconds: int) -> Cost:
    """Raises StarvedError when the run says nothing."""
    with running(kind) as server, joined(workload, server.port, WARM + seconds + 1) as load:
        return window(server, load, seconds)


def window(server: Server, load: Load, seconds: int) -> Cost:
    """What the server used between two lines of the generator."""
    for _ in range(WARM):
        packets = load.second()
    _judge(packets, load.rate)  # no use in waiting for the rest
    before, began = server.cpu, time.monotonic()
    packets = sum(load.second() for _ in range(seconds))
    used, passed = server.cpu - before, time.monotonic() - began
    _judge(packets / passed, load.rate)
    return Cost(used / packets * 1e6, packets / passed, server.memory)


def _judge(rate: float, wanted: float) -> None:
    if not 1 - OFF <= rate / wanted <= 1 + OFF:
        raise StarvedError(f"{rate:.0f} packets/s of {wanted:.0f}")
