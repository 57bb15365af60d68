"""A vault's file gets another key: every value stays, and a run killed anywhere leaves a file that opens."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from livekit_metal.core import atomic_file
from livekit_metal.core.errors import SiteError
from livekit_metal.vault.vault import Vault

# argv: the secrets file, and before which of its writes the run is killed
KILLED = """
import os, pathlib, signal, sys
from livekit_metal.core import atomic_file
from livekit_metal.vault.vault import Vault
left, write, unlink = int(sys.argv[2]), atomic_file.replace, pathlib.Path.unlink
def killed(act):
    def instead(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return act(*args, **kwargs)
    return instead
atomic_file.replace, pathlib.Path.unlink = killed(write), killed(unlink)
Vault.open(pathlib.Path(sys.argv[1])).rekey(print)
"""
WRITES = (
    5  # the new key beside the old one, the file, the old key's place, the new key's place, the end of what was beside
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LIVEKIT_METAL_KEY", raising=False)
    monkeypatch.delenv("LIVEKIT_METAL_KEY_FILE", raising=False)
    vault = Vault.open(tmp_path / "prod.secrets")
    vault.passwords("redis")
    vault.persist()
    return vault.path


@pytest.fixture
def keyfile(tmp_path: Path) -> Path:
    return tmp_path / "config" / "livekit-metal" / "prod.key"


def names(keyfile: Path) -> list[str]:
    return sorted(each.name for each in keyfile.parent.iterdir())


def test_every_value_stays_and_hosts_need_not_know(path: Path, keyfile: Path) -> None:
    before, text, key = Vault.open(path), path.read_bytes(), keyfile.read_text()
    said: list[str] = []
    Vault.open(path).rekey(said.append)
    after = Vault.open(path)
    assert (after.api_keys, after.passwords("redis")) == (before.api_keys, before.passwords("redis"))
    assert (after.fingerprint(), after.state) == (before.fingerprint(), before.state)
    assert keyfile.read_text() != key
    earlier = keyfile.with_name(f"prod.{before._key.id}.key")
    assert names(keyfile) == sorted(["prod.key", earlier.name])
    assert earlier.read_text() == key
    assert {stat.S_IMODE(each.stat().st_mode) for each in keyfile.parent.iterdir()} == {0o600}
    assert str(keyfile) in said[-1]
    assert str(earlier) in said[-1]
    path.write_bytes(text)
    with pytest.raises(SiteError, match=r"needs key .*; put the key there that the file was made with"):
        Vault.open(path)


def test_a_copy_from_before_can_still_be_united(path: Path) -> None:
    copy = path.with_name("before.secrets")
    vault = Vault.open(path)
    vault.rotate_password("redis")
    vault.persist()
    copy.write_bytes(path.read_bytes())
    Vault.open(path).rekey()
    assert Vault.open(path).another(copy).passwords("redis") == vault.passwords("redis")


@pytest.mark.parametrize("done", range(WRITES))
def test_a_run_killed_anywhere_leaves_a_file_that_opens(path: Path, keyfile: Path, done: int) -> None:
    values = Vault.open(path).api_keys
    environment = {**os.environ, "PYTHONPATH": str(Path(atomic_file.__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, str(path), str(done)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    vault = Vault.open(path)
    assert vault.api_keys == values
    vault.rotate_api_key()
    vault.persist()
    assert set(values) < set(Vault.open(path).api_keys)
    Vault.open(path).rekey()
    assert ".prod.new.key" not in names(keyfile)
    assert set(values) < set(Vault.open(path).api_keys)


def test_it_is_as_many_writes_as_were_killed(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(atomic_file.__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, str(path), str(WRITES)]
    assert subprocess.run(command, env=environment, check=False, capture_output=True).returncode == 0


def test_a_key_file_of_the_operators_that_is_a_link_stays_one(
    path: Path, keyfile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given.key"
    given.symlink_to(keyfile)
    monkeypatch.setenv("LIVEKIT_METAL_KEY_FILE", str(given))
    before = keyfile.read_text()
    Vault.open(path).rekey()
    assert given.is_symlink()
    assert keyfile.read_text() != before
    assert Vault.open(path).exists


def test_a_key_in_a_variable_cannot_be_replaced(path: Path, keyfile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_METAL_KEY", keyfile.read_text())
    before = path.read_bytes()
    with pytest.raises(SiteError, match="the key is in LIVEKIT_METAL_KEY, which a program cannot change; write it to"):
        Vault.open(path).rekey()
    assert path.read_bytes() == before
    assert names(keyfile) == ["prod.key"]


def test_no_program_that_is_started_gets_the_key(path: Path, keyfile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh, go, curl, skopeo: none has a use for it."""
    monkeypatch.setenv("LIVEKIT_METAL_KEY", keyfile.read_text().strip())
    keyfile.unlink()
    values = Vault.open(path).api_keys
    child = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert "LIVEKIT_METAL_KEY" not in child
    assert Vault.open(path).api_keys == values, "a second inventory of the same process"
    monkeypatch.setenv("LIVEKIT_METAL_KEY", "x" * 43)
    with pytest.raises(SiteError, match="LIVEKIT_METAL_KEY holds key"):
        Vault.open(path)
