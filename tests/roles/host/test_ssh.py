"""The controller's second way to a host, against an SSH server that this test plays."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from livekit_metal.runtime.host import ssh
from livekit_metal.runtime.host.commands import HostError

KEY = paramiko.RSAKey.generate(2048)


class Guest(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key == KEY else paramiko.AUTH_FAILED


class Server:
    """Counts who came; ``silent`` times it says nothing at all."""

    def __init__(self, silent: int = 0) -> None:
        self.came, self.silent = 0, silent
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[Any] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.came += 1
            self.open.append(link)
            if self.came > self.silent:
                transport = paramiko.Transport(link)
                transport.add_server_key(KEY)
                transport.start_server(threading.Event(), Guest())  # with an event it does not wait for the client
                self.open.append(transport)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.listener.close()
    for link in made.open:
        link.close()


def host(server: Server, tmp_path: Any, key: paramiko.PKey = KEY) -> Any:
    """A pyinfra host as far as the vantage sees it."""
    port = server.listener.getsockname()[1]
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {KEY.get_name()} {KEY.get_base64()}\n")
    kwargs = {
        "hostname": "127.0.0.1",
        "port": port,
        "username": "root",
        "pkey": key,
        "allow_agent": False,
        "look_for_keys": False,
        "_pyinfra_ssh_config_file": "/dev/null",
        "_pyinfra_ssh_known_hosts_file": str(known),
        "_pyinfra_ssh_strict_host_key_checking": "yes",
    }
    return SimpleNamespace(name="lk1", connector=SimpleNamespace(make_paramiko_kwargs=lambda: dict(kwargs)))


def test_each_time_is_a_connection_of_its_own(server: Server, tmp_path: Any) -> None:
    lk1 = host(server, tmp_path)
    ssh.new_login(lk1, 10)
    ssh.new_login(lk1, 10)
    assert server.came == 2


def test_a_server_that_is_late_is_waited_for(server: Server, tmp_path: Any) -> None:
    server.silent = 1
    ssh.new_login(host(server, tmp_path), 3)
    assert server.came == 2


def test_who_gets_no_answer_fails_in_time(server: Server, tmp_path: Any) -> None:
    server.silent = 100
    with pytest.raises(HostError, match=r"no new SSH connection to lk1 within 3 s \("):
        ssh.new_login(host(server, tmp_path), 3)


@pytest.mark.parametrize("within", [3.0, 30.0])
def test_no_attempt_may_last_longer_than_what_is_left(
    server: Server, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, within: float
) -> None:
    """By a clock of the test's own: whoever waits for a server that says nothing waits as long as he is told to."""
    clock, attempts = [1000.0], list[float]()

    def silent(_client: object, _name: str, **connection: Any) -> None:
        attempts.append(clock[0])
        clock[0] += connection["banner_timeout"]
        raise paramiko.SSHException("No existing session")

    monkeypatch.setattr(ssh.SSHClient, "connect", silent)
    monkeypatch.setattr(ssh.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ssh.time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))
    with pytest.raises(HostError, match="No existing session"):
        ssh.new_login(host(server, tmp_path), within)
    assert len(attempts) > 1
    assert clock[0] <= 1000 + within + 1, "the last attempt has a second, however little is left"


def test_a_key_that_is_not_taken_fails(server: Server, tmp_path: Any) -> None:
    with pytest.raises(HostError, match="Authentication failed"):
        ssh.new_login(host(server, tmp_path, paramiko.RSAKey.generate(2048)), 2)


def test_another_server_in_its_place_fails(server: Server, tmp_path: Any) -> None:
    lk1 = host(server, tmp_path)
    (tmp_path / "known_hosts").write_text("")
    with pytest.raises(HostError, match="found in known_hosts"):
        ssh.new_login(lk1, 2)
