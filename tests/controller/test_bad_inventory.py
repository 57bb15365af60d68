"""What is wrong with an inventory or the secrets is told before any host is connected to.

Everything is as an operator runs it; the site's one host is a port on loopback that counts who comes.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.site import inventory
from tests.support.hosts.deploys import PYINFRA, Told, merged
from tests.support.hosts.lab import ROOT

FIRST = "lk1"

ROWS: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "unknown key": (
        {"livekit": {"log_levle": "info"}},
        ("livekit.log_levle: unknown key; did you mean 'log_level'?",),
    ),
    "unknown key at the top": ({"livkit": {}}, ("livkit: unknown key; did you mean 'livekit'?",)),
    "overlapping ranges": (
        {"redis": {"port": 17881}, "livekit": {"ice_tcp": "17881-17883"}},
        ("redis.port: ", "livekit.ice_tcp", "17881"),
    ),
    "unknown version": (
        {"livekit": {"release": "1.13.99"}},
        ("livekit.release: livekit-server 1.13.99 is not known; the nearest known version is 1.13.",),
    ),
    "a certificate that is not there": (
        {"edge": {"tls": "provided", "domain": "lk.example.org", "certificate": "/none/lk.pem", "key": "/none/lk.key"}},
        ("edge.certificate: /none/lk.pem: No such file or directory; name a file that you may read",),
    ),
    "TURN over TLS without TLS": (
        {"edge": {"tls": "off"}, "livekit": {"turn": {"domain": "turn.example.org"}}},
        ("livekit.turn.domain: is set and edge.tls is 'off'; set edge.tls",),
    ),
    "unknown host role": ({"hosts": {FIRST: {"roles": ["livekit", "redi"]}}}, ("choose one of redis, livekit",)),
}


Change = Callable[[Mapping[str, Any]], Path]


@pytest.fixture
def knocked() -> Iterator[socket.socket]:
    """Where sshd of the host would listen."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture
def untouched(knocked: socket.socket) -> AbstractContextManager[None]:
    """``with untouched:`` asserts that nobody connects to the host meanwhile."""

    @contextlib.contextmanager
    def watched() -> Iterator[None]:
        yield
        with pytest.raises(BlockingIOError):
            knocked.accept()

    return watched()


@pytest.fixture
def change(tmp_path: Path, knocked: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Change:
    """Makes an inventory like that of a site that was deployed before, but for the given settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("LIVEKIT_METAL_KEY", "LIVEKIT_METAL_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    ssh = {"port": knocked.getsockname()[1], "known_hosts": str(tmp_path / "known_hosts"), "config": "/dev/null"}
    plain = {
        "hosts": {FIRST: {"address": "127.0.0.1", "roles": ["livekit", "redis", "prometheus"], "ssh": ssh}},
        "secrets": str(tmp_path / "site.secrets"),
        "secrets_key": str(tmp_path / "site.key"),
        "firewall": {"admin": ["127.0.0.1/32"]},
        "livekit": {"release": "1.13.5", "source": "module"},
    }

    def make(settings: Mapping[str, Any]) -> Path:
        path = tmp_path / "variant.py"
        site = merged(plain, settings)
        path.write_text(f"from livekit_metal import load\n\nsite = {site!r}\nhosts = load(site, __file__)\n")
        return path

    vault = inventory.read(make({})).vault
    assert vault is not None
    vault.passwords("redis")
    vault.persist()
    return make


def deploy(file: str | Path, **environ: str) -> Told:
    """A deploy, from start to end."""
    environment = os.environ | {"PYINFRA_PROGRESS": "off"} | environ
    words = [PYINFRA, "-y", str(file), "deploy.py"]
    done = subprocess.run(
        words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return Told(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr))


def test_a_sound_inventory_has_the_host_connected_to(change: Change, knocked: socket.socket) -> None:
    """Else the others would prove nothing."""
    with subprocess.Popen(
        [PYINFRA, "-y", change({}), "deploy.py"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        knocked.settimeout(60)
        knocked.accept()[0].close()
        running.kill()


@pytest.mark.parametrize("row", ROWS)
def test_a_mistake_is_told(row: str, change: Change, untouched: AbstractContextManager[None]) -> None:
    settings, words = ROWS[row]
    with untouched:
        deploy(change(settings)).refused(*words)


def test_all_mistakes_are_told_at_once(change: Change, untouched: AbstractContextManager[None]) -> None:
    with untouched:
        told = deploy(change({"livekit": {"log_levle": "info"}, "redis": {"max_memory": 1}}))
    told.refused("livekit.log_levle: unknown key")
    told.refused("redis.max_memory: unknown key; did you mean 'max_memory_mb'?")


def _key(path: Path, text: str) -> str:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def test_a_missing_secrets_key_is_told(change: Change, tmp_path: Path, untouched: AbstractContextManager[None]) -> None:
    with untouched:
        deploy(change({"secrets_key": str(tmp_path / "none.key")})).refused("secrets: ", "there is no key", "none.key")
    assert not (tmp_path / "none.key").exists(), "a new key opens no file that is there already"


def test_a_wrong_secrets_key_is_told(change: Change, tmp_path: Path, untouched: AbstractContextManager[None]) -> None:
    wrong = _key(tmp_path / "wrong.key", secrets.token_urlsafe(32))
    with untouched:
        deploy(change({"secrets_key": wrong})).refused("secrets: ", "wrong.key holds key", "put the key there")


def test_a_short_secrets_key_is_told(change: Change, tmp_path: Path, untouched: AbstractContextManager[None]) -> None:
    short = _key(tmp_path / "short.key", "hunter2")
    with untouched:
        told = deploy(change({"secrets_key": short}))
    told.refused("secrets: ", "short.key is shorter than 32 characters")
    assert "hunter2" not in told.text


def _import(file: Path, secret: str) -> Told:
    words = [sys.executable, "-m", "procedures.secrets", str(file), "import-key", "APIimported"]
    done = subprocess.run(words, cwd=ROOT, input=secret, capture_output=True, text=True, check=False)
    return Told(done.returncode, done.stdout + done.stderr)


def test_an_imported_api_secret_that_is_too_short_is_refused(
    change: Change, untouched: AbstractContextManager[None]
) -> None:
    file = change({})
    vault = inventory.read(file).vault
    assert vault is not None
    before = vault.path.read_bytes()
    short = "x" * 31
    with untouched:
        told = _import(file, short)
    told.refused("secrets.api_keys.APIimported: its secret is shorter than 32 characters (31)")
    assert short not in told.text
    assert vault.path.read_bytes() == before


def test_an_inventory_that_describes_no_site_is_told(untouched: AbstractContextManager[None]) -> None:
    with untouched:
        deploy("@local").refused("inventory: describes no site; run `pyinfra inventories/NAME.py")
