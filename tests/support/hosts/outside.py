"""Calls from a stranger's network, where the site's names lead to hosts of a test's choice."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.hosts.lab import ROOT, Lab

_ENDS = 120  # s for a call to come to its end


@contextlib.contextmanager
def where_names_lead(lab: Lab, names: Mapping[str, str]) -> Iterator[str]:
    """The name of the network namespace ``outside``, in which ``names`` have these addresses."""
    name: str = lab.facts["outside"]["namespace"]
    with names_lead(name, names):
        yield name


@contextlib.contextmanager
def names_lead(name: str, names: Mapping[str, str]) -> Iterator[None]:
    """``names`` have these addresses for whoever is in the network namespace ``name``."""
    hosts = Path(f"/etc/netns/{name}/hosts")  # `ip netns exec` puts it over /etc/hosts
    made = not hosts.parent.exists()
    hosts.parent.mkdir(parents=True, exist_ok=True)
    hosts.write_text("".join(f"{address} {each}\n" for each, address in names.items()))
    try:
        yield
    finally:
        hosts.unlink()
        if made:
            hosts.parent.rmdir()
            with contextlib.suppress(OSError):
                hosts.parent.parent.rmdir()


class Calling:
    """A call that ``python -m tests.paths`` makes in ``namespace``; ``given`` is what that program reads."""

    def __init__(self, namespace: str, given: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.support.calls.paths"],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        self._process.stdin.write(json.dumps(given))
        self._process.stdin.close()
        self._process.stdin = None

    def up(self) -> None:
        """Wait until people hear each other."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert json.loads(line or "{}").get("up"), f"{line}{self.end()}"

    def comes_up(self, within: float) -> bool:
        """Whether people hear each other within so many seconds; then the call is ended."""
        assert self._process.stdout
        try:
            if not select.select([self._process.stdout], [], [], within)[0]:
                return False
            line = self._process.stdout.readline()
            assert line, "the caller says nothing"
            return bool(json.loads(line).get("up"))
        finally:
            self._process.kill()
            self._process.communicate()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> dict[str, Any]:
        """End the call before its time; its report."""
        self._process.terminate()
        return self.end()

    def end(self) -> dict[str, Any]:
        """The report, when the call is over."""
        said, why = self._process.communicate(timeout=_ENDS)
        lines = said.strip().splitlines()
        assert lines, why
        report: dict[str, Any] = json.loads(lines[-1])
        return report
