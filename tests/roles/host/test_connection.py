"""A connection that breaks at each stage, against a real SSH server: the operator reads words, never a traceback."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh import SSHConnector

from livekit_metal.runtime.artifacts import push
from livekit_metal.runtime.host import commands, ssh_tunnels
from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.host.connect_errors import Connecting, connecting
from livekit_metal.runtime.run import lock
from livekit_metal.site import inventory as inventories
from livekit_metal.site.model import Site
from tests.support.hosts import sshd
from tests.support.values.sites import SINGLE


@pytest.fixture(autouse=True)
def as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As cli.install has it in every run."""
    monkeypatch.setattr(SSHConnector, "connect", connecting(SSHConnector.connect))


@pytest.fixture
def host(
    tmp_path: Path, make_site: Callable[[dict[str, Any]], Site], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """pyinfra's host for the site's own, which is at ``server``; ``known``: the key that the operator knows it by."""
    monkeypatch.setattr(commands, "_before_first_change", [])  # each run is a program of its own
    key = tmp_path / "id"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))

    def made(port: int, known: paramiko.PKey | None) -> Any:
        file = tmp_path / f"known-{port}"
        file.write_text(f"[127.0.0.1]:{port} {known.get_name()} {known.get_base64()}\n" if known else "")
        data = copy.deepcopy(SINGLE)
        (name,) = data["hosts"]
        login = {"port": port, "key": str(key), "known_hosts": str(file), "config": "/dev/null"}
        data["hosts"][name] |= {"address": "127.0.0.1", "public": "203.0.113.9", "ssh": login}
        site = make_site(data)
        state = State(Inventory(([(name, inventories._login(site.hosts[name]))], {})), Config(CONNECT_TIMEOUT=5))
        state.add_callback_handler(Connecting())
        return next(iter(state.inventory))

    return made


@contextmanager
def connected(host: Callable[..., Any], breaks: str = "") -> Iterator[tuple[Any, sshd.Server]]:
    with sshd.serving(breaks) as server:
        there = host(server.port, server.key)
        connect_all(there.state)
        yield there, server


@pytest.mark.parametrize(
    ("breaks", "said", "remedy"),
    [
        ("accept", "does not speak SSH, or turns this machine away", "MaxStartups"),
        ("words", "does not speak SSH, or turns this machine away", "check the port"),
        ("kex", "ended the connection before anybody could log in", "journalctl -u ssh"),
        ("nonsense", "", "--exclude"),
        ("login", "root may not log in (Authentication failed.)", "ssh.user or .key"),
    ],
)
def test_each_stage_of_connecting_has_words(
    host: Callable[..., Any], capsys: pytest.CaptureFixture[str], breaks: str, said: str, remedy: str
) -> None:
    with sshd.serving(breaks) as server:
        there = host(server.port, server.key)
        with pytest.raises(PyinfraError):
            connect_all(there.state)
    told = capsys.readouterr().err
    assert f"hosts.{there.name}: " in told
    assert said in told
    assert remedy in told
    assert "()" not in told, "an error without a text is named at least"


def test_a_host_key_that_is_unknown_or_another(host: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    for known, said in ((None, "its host key is not in"), (paramiko.ECDSAKey.generate(), "its host key has changed")):
        with sshd.serving() as server, pytest.raises(PyinfraError):
            connect_all(host(server.port, known).state)
        assert said in capsys.readouterr().err


def test_what_paramiko_stumbles_over_is_a_connection_that_failed_too(
    host: Callable[..., Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises whatever its thread ran into when a peer sends nonsense."""

    def stumbles(_: Any) -> None:
        raise ValueError("not enough values to unpack")

    monkeypatch.setattr(SSHConnector, "_connect", stumbles)
    with pytest.raises(PyinfraError, match="No hosts remaining"):
        connect_all(host(1, None).state)
    assert "127.0.0.1 cannot be reached (not enough values to unpack)" in capsys.readouterr().err


def test_nobody_listens(host: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    with sshd.serving() as server:
        port, key = server.port, server.key
    with pytest.raises(PyinfraError):
        connect_all(host(port, key).state)
    assert "127.0.0.1 cannot be reached (" in capsys.readouterr().err


_USES: dict[str, Callable[[Any], object]] = {
    "a command": lambda host: read(host, "true", stdin="x"),
    "a push": lambda host: push.send(host, "cat", (), [b"x"], "it"),
    "a tunnel": lambda host: ssh_tunnels._may_forward(host, 80),
}


@pytest.mark.parametrize(
    ("use", "breaks"),
    [
        *((use, breaks) for use in _USES if use != "a tunnel" for breaks in ("command", "quiet")),
        *((use, "session") for use in _USES),
    ],
)
def test_a_connection_that_breaks_while_it_is_used(host: Callable[..., Any], use: str, breaks: str) -> None:
    with connected(host, breaks) as (there, _), pytest.raises(HostError) as failed:
        _USES[use](there)
    assert f"the connection to {there.name} broke" in str(failed.value)
    assert "run the same again" in str(failed.value)


@pytest.mark.parametrize("use", list(_USES))
def test_a_connection_that_broke_while_the_host_waited_for_its_turn(host: Callable[..., Any], use: str) -> None:
    with connected(host) as (there, server):
        server.cut()
        there.connector.client.get_transport().join(5)
        with pytest.raises(HostError, match=r"the connection to .* broke \(.*\); .*run the same again"):
            _USES[use](there)


@pytest.mark.parametrize("breaks", ["session", "command", "quiet"])
def test_the_lock_says_so_too(host: Callable[..., Any], breaks: str) -> None:
    """Else sudo would be blamed."""
    with connected(host, breaks) as (there, _):
        answer, rest = lock._try(there, lock._HOST)
        if breaks == "command":  # "half an answ" is one that nobody knows
            assert answer == "half"
        else:
            assert (answer, "broke" in rest) == ("broken", True)


def test_a_host_that_waits_is_spoken_to(host: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert inventories.KEEPALIVE == 30
    monkeypatch.setattr(inventories, "KEEPALIVE", 0.1)
    with connected(host) as (_, server):
        end = time.monotonic() + 20
        while server.heard.count("keepalive@lag.net") < 2:
            assert time.monotonic() < end, f"heard only {server.heard}"
            time.sleep(0.05)
