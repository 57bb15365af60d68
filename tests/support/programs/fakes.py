"""A host's programs, as far as a shell program of ours calls them: they note how they were called, and say what a test
wants. What is real (sed, awk, mv) is this machine's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from livekit_metal.runtime.host.commands import HostError


class Fakes:
    """``run`` stands in for that of commands; ``moved`` are paths of a host and where they are here."""

    def __init__(self, place: Path, **programs: str) -> None:
        self.place, self.moved = place, {"/run/systemd/system": str(place / "system")}
        self._calls, self._bin = place / "calls", place / "bin"
        self._bin.mkdir()
        for name, body in programs.items():
            self.program(name.replace("_", "-"), body)

    def program(self, name: str, body: str = "") -> None:
        """``body`` is shell text, with the arguments of the call."""
        (self._bin / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{self._calls}\n{body}\n')
        (self._bin / name).chmod(0o755)

    def run(self, _host: object, script: str, *args: str, stdin: str = "", timeout: int = 120) -> str:
        for path, here in self.moved.items():
            script = script.replace(path, here)
        done = subprocess.run(
            ["sh", "-c", script, "sh", *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=os.environ | {"PATH": f"{self._bin}:{os.environ['PATH']}"},
            umask=0o022,
        )
        if done.returncode:
            raise HostError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    @property
    def calls(self) -> list[str]:
        """So far, each with its arguments; then forgotten."""
        said = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return said
