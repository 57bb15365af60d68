"""This machine as a host: what actions do there is done here, by its shells, and nothing of this machine is changed.

All of it is read-only (bubblewrap) but for the directories that livekit-metal writes to: those are the test's own,
under their real names. systemd, nftables and packages are stand-ins (stand_ins.py) that keep their state in files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import StringCommand

from livekit_metal.runtime.host import commands, state
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState, StateQuery
from tests.support.hosts.stand_ins import PROGRAMS

_OWN = ("etc", "opt", "run", "srv", "var")
_KEPT = ("alternatives", "group", "ld.so.cache", "nsswitch.conf", "passwd")  # of /etc: without them nothing runs
HOST: Any = None  # what actions get as their host: commands go to the one that the test has


class LocalHost:
    """``place`` is the test's directory, which has the same name in there; the host's own are in ``place``/host."""

    def __init__(self, place: Path, programs: Mapping[str, str] = PROGRAMS) -> None:
        self.place, self.root, self._bin, self.notes = place, place / "host", place / "bin", place / "notes"
        for each in (*(self.root / name for name in _OWN), self._bin, self.notes):
            each.mkdir(parents=True)
        for name in _KEPT:
            subprocess.run(["cp", "-a", f"/etc/{name}", self.root / "etc"], check=True)
        (self.root / "etc/systemd/system").mkdir(parents=True)
        for name, text in programs.items():
            (self._bin / name).write_text(text)
            (self._bin / name).chmod(0o755)

    def path(self, name: str) -> Path:
        """Where a file of the host is here."""
        return self.root / name.lstrip("/")

    def write(self, name: str, text: str = "") -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def noted(self, program: str) -> list[str]:
        """How the stand-in ``program`` was called, a line for each call."""
        file = self.notes / program
        return file.read_text().splitlines() if file.exists() else []

    def words(self, *words: str) -> list[str]:
        """A command line that runs ``words`` on the host."""
        if (bwrap := shutil.which("bwrap")) is None:
            pytest.fail("bwrap is not here: run `make tools`, or apt install bubblewrap")
        own = [word for name in _OWN for word in ("--bind", str(self.root / name), f"/{name}")]
        place = ("--bind", str(self.place), str(self.place))
        return [bwrap, "--die-with-parent", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", *place, *own, *words]

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self._bin}:{os.environ['PATH']}:/usr/sbin:/sbin"
        return os.environ | {"PATH": path, "NOTES": str(self.notes), "LC_ALL": "C.UTF-8"}

    def run(self, script: str, *args: str, stdin: str = "", timeout: int = 60) -> str:
        """Output of a script that is run as root of the host. Raises HostError with what it said."""
        return self._run(("sh", "-c", script, "sh", *args), stdin, timeout)

    def execute(self, _host: object, command: StringCommand, stdin: str = "", timeout: int = 60) -> str:
        """Stands in for what ``read`` and ``run`` give their command to."""
        return self._run(("sh", "-c", command.get_raw_value()), stdin, timeout)

    def _run(self, words: Sequence[str], stdin: str, timeout: int) -> str:
        done = subprocess.run(
            self.words(*words),
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if done.returncode:
            raise HostError(done.stderr.strip() or done.stdout.strip() or "it said nothing")
        return done.stdout

    def look(self, needs: StateQuery) -> HostState:
        """The host's state, by the script that a deploy would send."""
        return state.parse(self._run(("sh", "-s"), state.script(needs), 60))


def local_host(place: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """The host that every command goes to from now on."""
    found = LocalHost(place)
    monkeypatch.setattr(commands, "_before_first_change", [])
    monkeypatch.setattr(commands, "_execute", found.execute)
    return found
