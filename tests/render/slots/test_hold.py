"""What keeps a slot of livekit-server while others pass through it: the script, with a process that ends as it does."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from livekit_metal.roles.livekit.tasks import Livekit
from livekit_metal.site.model import Site

UNIT = "livekit-server@a.service"
# It has the pipe open all its life, and writes to it at its end.
_SERVER = """
import os, signal, sys
end = os.open(sys.argv[1], os.O_RDWR)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("up", flush=True)
signal.sigwait({signal.SIGTERM})
print("told", flush=True)
os.write(end, bytes(int(sys.argv[2])))
print("written", flush=True)
"""
_CONNECTED = "0 0 127.0.0.1:7890 127.0.0.2:40000\n"
_PROGRAM = """#!/bin/sh
if [ -e "$0.fails" ]; then touch "$0.failed"; exit 1; fi
cat "$0.says"
"""


@dataclass
class Slot:
    """A slot's process, its pipe, and a host where ``programs`` answer for it."""

    process: subprocess.Popen[str]
    pipe: Path
    programs: Path
    script: str
    units: Path

    def drains(self) -> None:
        directory = self.units / f"{UNIT}.d"
        directory.mkdir(parents=True)
        (directory / "90-livekit-metal-drain.conf").touch()

    def says(self, program: str, text: str) -> None:
        (self.programs / f"{program}.says").write_text(text)

    def stop(self, *, main: str | None = None) -> None:
        """As systemd: ExecStop=, then SIGTERM."""
        pid = str(self.process.pid) if main is None else main
        command = ["sh", "-c", self.script, "hold.sh", UNIT, pid, str(self.pipe), "7890"]
        environment = os.environ | {"PATH": f"{self.programs}:{os.environ['PATH']}"}
        subprocess.run(command, env=environment, check=True, timeout=10)
        self.process.terminate()

    def stays(self) -> bool:
        """It has been told to end, and what it writes then is not taken."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "told\n"
        return not self.written(within=0.3)

    def is_held(self) -> None:
        """Assert that it drains, and stays for who is connected."""
        self.drains()
        self.says("ss", _CONNECTED)
        self.stop()
        assert self.stays()

    def written(self, within: float) -> bool:
        return bool(select.select([self.process.stdout], [], [], within)[0])


@pytest.fixture(params=[1 << 10, 1 << 20], ids=["small", "larger than a pipe"])
def slot(request: pytest.FixtureRequest, single: Site, tmp_path: Path) -> Iterator[Slot]:
    livekit = single.for_host("lk1").livekit
    assert livekit is not None
    units, programs, pipe = tmp_path / "units", tmp_path / "bin", tmp_path / "end"
    (script,) = [f.text for f in Livekit(livekit).generation("/opt/x/1.2.3-abc")[1] if f.path.endswith("/hold.sh")]
    programs.mkdir()
    for name, says in (("ss", ""), ("systemctl", "running\n")):
        (programs / f"{name}.says").write_text(says)
        (programs / name).write_text(_PROGRAM)
        (programs / name).chmod(0o755)
    os.mkfifo(pipe)
    command = [sys.executable, "-c", _SERVER, str(pipe), str(request.param)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield Slot(process, pipe, programs, script.replace("/run/systemd/system", str(units)), units)
        (programs / "ss.says").write_text("")  # lets go of what a failed test has left
        process.kill()


def test_it_stays_while_somebody_is_connected_and_ends_then(slot: Slot) -> None:
    slot.is_held()
    slot.says("ss", "")
    assert slot.process.wait(timeout=10) == 0


def test_a_drain_that_nobody_is_connected_to_ends_at_once(slot: Slot) -> None:
    slot.drains()
    slot.stop()
    assert slot.process.wait(timeout=10) == 0


def test_any_other_stop_waits_for_nobody(slot: Slot) -> None:
    slot.says("ss", _CONNECTED)
    slot.stop()
    assert slot.process.wait(timeout=10) == 0


def test_a_host_that_goes_down_waits_for_nobody(slot: Slot) -> None:
    slot.is_held()
    slot.says("systemctl", "stopping\n")
    assert slot.process.wait(timeout=10) == 0


def test_what_cannot_be_counted_is_not_nobody(slot: Slot) -> None:
    slot.is_held()
    (slot.programs / "ss.fails").touch()
    end = time.monotonic() + 10
    while not (slot.programs / "ss.failed").exists():
        assert time.monotonic() < end, "nobody is counted any more"
        time.sleep(0.05)
    assert not slot.written(within=0.3)
    slot.says("ss", "")
    (slot.programs / "ss.fails").unlink()
    assert slot.process.wait(timeout=10) == 0


def test_of_a_process_that_ended_by_itself_nothing_is_read(slot: Slot) -> None:
    """Its pipe is another's by then."""
    slot.pipe.unlink()
    slot.stop(main="")
    assert not slot.pipe.exists()
