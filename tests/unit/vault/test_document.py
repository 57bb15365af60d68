"""How far a secrets file has come: what hosts are told, and what survives versions older and newer than this one."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from livekit_metal.core.types.secret import Secret
from livekit_metal.vault import document, encryption
from livekit_metal.vault.key import Key
from livekit_metal.vault.vault import Vault

OF_BEFORE = {
    "api_keys": {"APIold": "s" * 43},
    "passwords": {"redis": ["new", "old"]},
    "fingerprint_key": "f" * 43,
    "kept": {"tls-lk1": "pem"},
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test's vault goes; its key is in the environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LIVEKIT_METAL_KEY_FILE", raising=False)
    monkeypatch.setenv("LIVEKIT_METAL_KEY", KEY.text.reveal())
    return tmp_path / "prod.secrets"


KEY = Key.parse(secrets.token_urlsafe(32), "here")


def put(path: Path, values: dict[str, Any], written_as: int = encryption.FORMAT) -> None:
    """A file as the version of that format writes it."""
    header = f"livekit-metal secrets, format {written_as}, key {KEY.id}: encrypted, safe to commit\n".encode()
    nonce = secrets.token_bytes(encryption.NONCE)
    text = nonce + ChaCha20Poly1305(KEY.raw).encrypt(nonce, json.dumps(values).encode(), header)
    path.write_bytes(header + base64.encodebytes(text))


def held(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encryption.unseal(path.read_bytes(), KEY, path))
    return found


def changed(vault: Vault) -> Vault:
    """The vault after one more rotation, as it is read again."""
    vault.rotate_api_key()
    vault.persist()
    return Vault.open(vault.path)


def test_the_serial_counts_writes_that_change_something(path: Path) -> None:
    vault = Vault.open(path)
    assert vault.coming.serial == 1
    vault.persist()
    vault.persist()
    assert Vault.open(path).state == vault.coming == vault.state
    assert Vault.open(path).state.serial == 1
    again = Vault.open(path)
    again.rotate_api_key()
    assert (again.state.serial, again.coming.serial) == (1, 2)
    again.persist()
    assert Vault.open(path).state.serial == 2


def test_a_file_of_an_earlier_version_gets_a_serial_and_loses_nothing(path: Path) -> None:
    put(path, OF_BEFORE, written_as=1)
    first, second = Vault.open(path), Vault.open(path)
    coming = first.coming
    first.persist()
    assert held(path) == OF_BEFORE | {"serial": 1, "before": {}}
    assert path.read_bytes().startswith(b"livekit-metal secrets, format 2,"), "which the version before refuses"
    assert Vault.open(path).state == coming
    assert second.state.against(str(coming)) == "", "a second checkout that was not given the new file goes on"


def test_a_file_of_an_earlier_version_is_older_than_one_that_came_after_it(path: Path) -> None:
    put(path, OF_BEFORE, written_as=1)
    stale = Vault.open(path).state
    assert stale.against(str(changed(Vault.open(path)).state)) == "older"


def test_keys_of_a_newer_version_survive(path: Path) -> None:
    newer = OF_BEFORE | {"serial": 7, "before": {}, "daemons": {"key": ["x", {"y": 1}]}}
    put(path, newer)
    before = Vault.open(path).state
    after = changed(Vault.open(path)).state
    assert held(path)["daemons"] == newer["daemons"]
    assert (before.serial, after.serial) == (7, 8)
    assert after.against(str(before)) == ""
    put(path, newer | {"daemons": {}})
    assert Vault.open(path).state.content != before.content, "a change of what is unknown counts too"


def test_a_host_tells_an_older_file_and_one_that_went_its_own_way(path: Path) -> None:
    Vault.open(path).persist()
    first = Vault.open(path)
    ours = changed(changed(Vault.open(path)))
    host = str(ours.state)
    assert host == f"3 {ours.state.content}"
    assert first.state.against(host) == "older"
    assert ours.state.against(host) == ""
    assert ours.state.against(str(first.state)) == "", "a host that was not deployed for a while"
    path.unlink()
    put(path, OF_BEFORE | {"serial": 1, "fingerprint_key": first._document.fingerprint_key.reveal()})
    theirs = changed(changed(Vault.open(path)))
    assert theirs.state.serial == 3
    assert theirs.state.against(host) == "apart"
    assert changed(theirs).state.against(host) == "apart", "also when it has gone further since"
    assert theirs.state.against(str(first.state)) == "apart"


@pytest.mark.parametrize("line", ["", "nonsense", "3", "x abc", "-1 abc"])
def test_a_host_that_says_nothing_of_use_is_deployed(path: Path, line: str) -> None:
    vault = Vault.open(path)
    vault.persist()
    assert vault.state.against(line) == ""


def test_only_so_many_serials_are_remembered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "REMEMBERED", 2)
    vault = Vault.open(path)
    vault.persist()
    states = [vault.state]
    for _ in range(4):
        vault = changed(vault)
        states.append(vault.state)
    assert list(vault.state.before) == [3, 4]
    assert [vault.state.against(str(each)) for each in states] == [""] * 5, "what is forgotten is believed"


def test_a_restored_file_can_be_made_the_newest(path: Path) -> None:
    Vault.open(path).persist()
    old = path.read_bytes()
    newest = changed(changed(Vault.open(path)))
    path.write_bytes(old)
    restored = Vault.open(path)
    restored.supersede(newest.state.serial)
    restored.persist()
    again = Vault.open(path)
    assert str(again.state) == str(restored.coming)
    assert (again.state.serial, again.api_keys) == (4, restored.api_keys)
    assert newest.state.against(str(again.state)) == "older", "whoever has the other one is told"


def test_what_a_host_keeps_reveals_no_value(path: Path) -> None:
    vault = Vault.open(path)
    vault.persist()
    line = str(vault.state)
    assert len(line) == 18
    other = Vault.open(path.with_name("other.secrets"))
    other._document.api_keys = dict(vault.api_keys)
    assert other.coming.content != vault.state.content, "without the file nobody can try values"
    assert "Secret(secrets.fingerprint_key)" in repr(vault._document)
    assert not [v for v in vault.every_value() if v in repr(vault._document)]


def test_a_retired_value_that_is_put_there_again_is_no_longer_retired(path: Path) -> None:
    vault = Vault.open(path)
    vault.import_api_key("APIold", "s" * 43)
    vault.import_api_key("APIother", "o" * 43)
    vault.retire_api_key("APIold")
    value = Secret("livekit.keys.APIold", "s" * 43)
    assert vault._document.has_ended(value)
    vault.import_api_key("APIold", "s" * 43)
    assert not vault._document.has_ended(value)
