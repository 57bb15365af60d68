"""Roles without a host: pyinfra's @fake connector, whose answers a test scripts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.operations import run_ops
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host, ctx_state

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.livekit import tasks as livekit_tasks
from livekit_metal.roles.livekit.settings import Settings as LivekitSettings
from livekit_metal.runtime.artifacts import push
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host import commands
from livekit_metal.runtime.host import state as host_state
from livekit_metal.runtime.run.report import results
from livekit_metal.runtime.run.task import Result
from livekit_metal.runtime.slots import staging
from livekit_metal.site.model import Site

SHA = "ab" * 32  # of the program that tests deploy


@dataclass
class FakeRun:
    """What a run on fake hosts did: every command by host, and each host's result."""

    commands: dict[str, list[str]] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    failed: bool = False


_TELLING = 12  # characters: what is shorter (a number, "*") may stand somewhere by chance
Answer = Callable[[str, str], str | None]  # (host, command) -> output, or None for a failure


@pytest.fixture
def fake_run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeRun]:
    """Run ``declare()`` once per host, as deploy.py would be, and execute what it registered.

    ``answer(host, command)`` speaks for the hosts; the look's script arrives as the command ``sh -s``. By default a
    look finds nothing (``look.script``'s closing line only) and everything else succeeds in silence. ``plans``: as
    without -y, pyinfra asks every operation what it would do before anything is executed.

    Fails when a command has a secret in it that the run took out: every account of a host reads argument lists.
    """
    taken: set[str] = set()
    reveal = Secret.reveal

    def taking(self: Secret) -> str:
        taken.add(value := reveal(self))
        return value

    monkeypatch.setattr(Secret, "reveal", taking)

    def run(
        declare: Callable[[], None],
        hosts: Sequence[str] = ("lk1",),
        answer: Answer | None = None,
        *,
        plans: bool = False,
    ) -> FakeRun:
        done = FakeRun(commands={h: [] for h in hosts})
        monkeypatch.setattr(commands, "_before_first_change", [])  # each run is a program of its own
        monkeypatch.setattr(host_state, "_mark", lambda: "#")

        def speak(self: Any, command: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
            text = command.get_raw_value()
            done.commands[self.host.name].append(text)
            said = answer(self.host.name, text) if answer else None
            if said is None and answer is None:
                said = "#end" if "sh -s" in text else ""
            lines = [OutputLine("stdout", line) for line in (said or "").splitlines()]
            return said is not None, CommandOutput(lines)

        monkeypatch.setattr(FakeConnector, "run_shell_command", speak)
        inventory = Inventory(([(f"@fake/{h}", {}) for h in hosts], {}))
        monkeypatch.setattr(
            Inventory, "get_active_hosts", lambda self: [h for h in self if h in self.state.active_hosts]
        )
        state = State(inventory, Config(FAIL_PERCENT=0), check_for_changes=plans)
        with ctx_state.use(state):
            connect_all(state)
            for host in inventory:
                host.name = host.name.removeprefix("@fake/")
                with ctx_host.use(host):
                    declare()
            try:
                run_ops(state)
            except Exception:
                done.failed = True
            done.results = results().hosts
        said = "\n".join(command for each in done.commands.values() for command in each)
        assert not [value for value in taken if len(value) >= _TELLING and value in said], "a secret is an argument"
        return done

    return run


@pytest.fixture
def seen() -> Callable[..., host_state.HostState]:
    """A look's result from keyword arguments (files, packages, sysctls, units, probes)."""
    return host_state.HostState


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "livekit-server"
    program.write_text("program")
    made = Artifact(
        component="livekit-server",
        version="1.13.7",
        source="archive",
        arch="amd64",
        sha256=SHA,
        path=program,
        size=7,
        identity="test",
    )
    monkeypatch.setattr(staging, "_fetched", lambda *_: made)
    monkeypatch.setattr(push, "verify", lambda _: None)  # its sum is made up


@pytest.fixture
def livekit(single: Site, no_download: None) -> LivekitSettings:
    """livekit-server's settings on a host; its program is there without a download."""
    return single.for_host("lk1").the(LivekitSettings)


@pytest.fixture
def wanted(livekit: LivekitSettings) -> Generation:
    """The generation that these settings amount to."""
    return livekit_tasks.Livekit(livekit).desired()[1]


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a step with its commands carried out on this machine instead of a host."""

    def carry_out(host: object, script: str, *args: str, stdin: str = "", timeout: int = 60) -> str:
        words = ["sh", "-c", script, "sh", *args]
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
        if done.returncode:
            raise commands.HostError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    monkeypatch.setattr("livekit_metal.roles.redis.tasks.run", carry_out)
    monkeypatch.setattr("livekit_metal.runtime.host.wait.read", carry_out)
    return lambda step, **arguments: step(None, **arguments)
