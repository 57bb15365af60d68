"""Runs that want the same host: what each of them is told and does, with the locks of a host as they are."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from pyinfra.api.inventory import Inventory
from pyinfra.connectors.fake import FakeConnector
from pyinfra.context import ctx_host

from livekit_metal.runtime.host.commands import changing
from livekit_metal.runtime.host.state import StateQuery
from livekit_metal.runtime.run import lock, lock_script, run_mark
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Action, Plan, Task
from tests.roles.conftest import FakeRun
from tests.support.hosts.local_host import LocalHost


class Client:
    """An SSH client, as far as a lock needs one: its sessions are shells on the host that end with their input."""

    def __init__(self, local: LocalHost) -> None:
        self.local, self.sessions = local, list[Session]()

    def get_transport(self) -> Client:
        return self

    def is_active(self) -> bool:
        return True

    def open_session(self) -> Session:
        self.sessions.append(Session(self.local))
        return self.sessions[-1]

    def end(self) -> None:
        """The run ends, however it does: sshd closes what its sessions have open."""
        for session in self.sessions:
            session.end()
        self.sessions.clear()


class Session:
    process: subprocess.Popen[str]

    def __init__(self, local: LocalHost) -> None:
        self.local = local

    def exec_command(self, command: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self.local.words("sh", "-c", command), stdin=pipe, stdout=pipe, stderr=pipe, text=True,
            env=self.local.environment,
        )  # fmt: skip

    def makefile(self) -> IO[str]:
        assert self.process.stdout
        return self.process.stdout

    def end(self) -> None:
        self.process.communicate(timeout=20)


@pytest.fixture(autouse=True)
def client(local: LocalHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = Client(local)
    monkeypatch.setattr(FakeConnector, "client", found, raising=False)
    monkeypatch.setattr(Inventory, "get_host", lambda self, name: next(h for h in self if h.name == name))
    yield found
    found.end()


Run = Callable[..., FakeRun]


@pytest.fixture
def deploy(fake_run: Run, local: LocalHost, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, bool]]:
    """A run of somebody's: why it was refused, '' if it was not, and whether it changed the host."""

    def run(mark: str = "elsewhere", *, keeper: str = "", breaks: bool = False, on: str = "lk1") -> tuple[str, bool]:
        acted: list[str] = []
        monkeypatch.setattr(run_mark, "mine", lambda: mark)

        def declare() -> None:
            if ctx_host.get().name != on:
                return
            if breaks:
                ctx_host.get().data.lock = "break"
            lock.take_site(keeper) if keeper else lock.take()
            act = Action("act", lambda host: acted.append(host.name))
            in_parallel(Task("role", StateQuery(), lambda seen: Plan((act,))), "Role")

        done = fake_run(declare, ("lk1", "lk2", "lk3"))
        return done.results[on].why if done.results[on].word == "refused" else "", acted == [on]

    return run


def test_a_second_run_changes_nothing_until_the_first_has_ended(
    deploy: Callable[..., tuple[str, bool]], client: Client
) -> None:
    assert deploy() == ("", True)
    why, acted = deploy("other")
    assert not acted
    assert why.startswith(f"another deploy is at work here: {lock.operator()[0]} on {lock.operator()[1]}, process ")
    assert why.endswith("; wait for it (it frees the lock however it ends)")
    client.end()
    assert deploy("other") == ("", True)


def test_a_lock_can_be_broken_and_then_holds_for_who_broke_it(
    deploy: Callable[..., tuple[str, bool]], client: Client
) -> None:
    deploy()
    (first,) = client.sessions
    assert deploy("other", breaks=True) == ("", True)
    assert first.process.wait(10) != 0, "its holder was ended"
    assert deploy("third")[1] is False


def test_a_run_of_this_account_that_is_gone_keeps_nobody_out(
    deploy: Callable[..., tuple[str, bool]], tmp_path: Path
) -> None:
    """Its connection is half open: the host does not know yet."""
    deploy("gone")
    assert deploy("other")[1] is False, "it may live elsewhere"
    (tmp_path / "cache/livekit-metal/runs").mkdir(parents=True)
    (tmp_path / "cache/livekit-metal/runs/gone").touch()
    assert run_mark.gone("gone")
    assert deploy("other") == ("", True)


def test_a_command_that_a_dead_run_has_left_is_waited_for(
    deploy: Callable[..., tuple[str, bool]], client: Client, local: LocalHost
) -> None:
    deploy()
    left = Session(local)
    left.exec_command(changing("echo began; cat").get_raw_value())
    assert left.makefile().readline() == "began\n"
    client.end()
    why, acted = deploy("other", breaks=True)
    assert not acted
    assert why.startswith("a command of a deploy that died is still running here: ")
    assert "it ends by itself, try again then" in why
    left.end()
    assert deploy("other") == ("", True)


def test_what_holds_the_lock_and_is_no_run_is_named(
    deploy: Callable[..., tuple[str, bool]], client: Client, local: LocalHost
) -> None:
    deploy()
    client.end()
    other = Session(local)
    other.exec_command(f"exec 9>>{lock_script.LOCK}; flock 9; echo $$; exec cat")
    number = other.makefile().readline().strip()
    why, acted = deploy()
    other.end()
    assert not acted
    assert why.startswith(f"lock: {lock_script.LOCK} is held by what is not a deploy: process ")
    assert f"process {number} since " in why, "tests beside this one may hold such a file, too"


def test_two_runs_that_take_hosts_out_of_service_exclude_each_other_in_the_whole_site(
    deploy: Callable[..., tuple[str, bool]], client: Client
) -> None:
    assert deploy(keeper="lk1", on="lk2") == ("", True)
    why, acted = deploy("other", keeper="lk1", on="lk3")
    assert not acted
    assert "another run takes a host of this site out of service: " in why
    client.end()
    assert deploy("other", keeper="lk1", on="lk3") == ("", True)
