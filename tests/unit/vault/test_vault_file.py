"""The file of a vault and its key: written once and whole, refused when anything about them is wrong."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.vault.vault import Vault

KEY, OTHER = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
RESTORE = "restore it from version control: git checkout HEAD -- {path}"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys go into the test's own directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LIVEKIT_METAL_KEY", raising=False)
    monkeypatch.delenv("LIVEKIT_METAL_KEY_FILE", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prod.secrets"


@pytest.fixture
def keyfile(tmp_path: Path) -> Path:
    return tmp_path / "config" / "livekit-metal" / "prod.key"


def files(directory: Path) -> list[str]:
    return sorted(str(f.relative_to(directory)) for f in directory.rglob("*") if f.is_file())


def refusal(path: Path) -> str:
    """What the operator reads when the vault does not open."""
    with pytest.raises(SiteError) as caught:
        Vault.open(path)
    return str(caught.value)


def test_nothing_is_written_before_persist(path: Path, tmp_path: Path) -> None:
    vault = Vault.open(path)
    vault.passwords("redis")
    assert (vault.api_key, vault.exists, files(tmp_path)) == (vault.api_key, False, [])


def test_persist_writes_the_file_and_its_key_once(path: Path, keyfile: Path, tmp_path: Path) -> None:
    said: list[str] = []
    vault = Vault.open(path)
    vault.passwords("redis")
    vault.persist(said.append)
    first = path.read_bytes(), path.stat().st_ino
    vault.persist(said.append)
    Vault.open(path).persist(said.append)
    assert (path.read_bytes(), path.stat().st_ino) == first
    assert files(tmp_path) == ["config/livekit-metal/prod.key", "prod.secrets"]
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path, keyfile, keyfile.parent)]
    assert modes == [0o600, 0o600, 0o700]
    assert said == [
        f"secrets: wrote {path} (encrypted: commit it); its key is in {keyfile} (never commit that); "
        "keep a copy of the key elsewhere too, without it the secrets are lost"
    ]
    assert not [v for v in vault.every_value() if v in said[0]]


def test_the_file_says_what_it_is_and_holds_no_value(path: Path) -> None:
    vault = Vault.open(path)
    vault.passwords("redis")
    vault.persist()
    text = path.read_text()
    first = text.partition("\n")[0]
    assert first.startswith("livekit-metal secrets, format 2, key ")
    assert first.endswith(": encrypted, safe to commit")
    assert not [v for v in (*vault.every_value(), vault.api_key) if v in text]


@pytest.mark.parametrize("way", ["text", "padded text", "file"])
def test_the_operators_key_is_used_and_not_copied(
    way: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given.key"
    given.write_text(f"{KEY}\n")
    given.chmod(0o600)
    settings = {"text": KEY, "padded text": f"{KEY}=", "file": str(given)}
    monkeypatch.setenv("LIVEKIT_METAL_KEY_FILE" if way == "file" else "LIVEKIT_METAL_KEY", settings[way])
    vault = Vault.open(path)
    vault.persist()
    assert files(tmp_path) == ["given.key", "prod.secrets"]
    assert KEY not in path.read_text()
    assert Vault.open(path).api_keys == vault.api_keys


def test_an_existing_default_key_is_used_and_left_alone(path: Path, keyfile: Path) -> None:
    Vault.open(path).persist()
    key, fingerprint = keyfile.read_text(), Vault.open(path).fingerprint()
    path.unlink()
    again = Vault.open(path)
    again.persist()
    assert keyfile.read_text() == key
    assert Vault.open(path).fingerprint() == again.fingerprint() != fingerprint


def test_any_changed_byte_is_detected(path: Path) -> None:
    Vault.open(path).persist()
    sound = path.read_bytes()
    unseen = []
    for place in range(len(sound)):
        for bit in range(8):
            path.write_bytes(sound[:place] + bytes([sound[place] ^ 1 << bit]) + sound[place + 1 :])
            try:
                Vault.open(path)
                unseen.append((place, bit))
            except SiteError:
                pass
    assert unseen == []


@pytest.mark.parametrize("cut", [0, 1, 60, -30, -2, -1])
def test_a_cut_file_is_refused(cut: int, path: Path) -> None:
    Vault.open(path).persist()
    path.write_bytes(path.read_bytes()[:cut])
    assert f"{path} is " in refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "format 2",
            "format 3",
            "has format 3, this version reads format 1 and 2; use the version of livekit-metal that wrote it",
        ),
        ("livekit", "<<<<<<<", f"is not a secrets file (its first line is another); {RESTORE}"),
        ("safe to", "fit to", f"is damaged; {RESTORE}"),
        ("\n", "\r\n", f"is damaged; {RESTORE}"),
    ],
)
def test_a_changed_file_is_refused(old: str, new: str, message: str, path: Path) -> None:
    Vault.open(path).persist()
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
    assert refusal(path) == f"secrets: {path} {message.format(path=path)}"


def test_a_file_without_its_key_is_refused(path: Path, keyfile: Path) -> None:
    Vault.open(path).persist()
    keyfile.unlink()
    assert refusal(path) == (
        f"secrets: {path} is encrypted and there is no key "
        f"(LIVEKIT_METAL_KEY and LIVEKIT_METAL_KEY_FILE are not set, {keyfile} does not exist); "
        f"put its key into {keyfile} (chmod 600) or set LIVEKIT_METAL_KEY"
    )


def test_another_file_is_told_without_a_key(path: Path) -> None:
    path.write_text("notes\n")
    fact = "is not a secrets file (its first line is another)"
    assert refusal(path) == f"secrets: {path} {fact}; {RESTORE.format(path=path)}"


def test_a_wrong_key_is_told_from_a_damaged_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_METAL_KEY", KEY)
    Vault.open(path).persist()
    wanted = path.read_text().split("key ")[1][:16]
    monkeypatch.setenv("LIVEKIT_METAL_KEY", OTHER)
    found = refusal(path)
    assert found.startswith(f"secrets: {path} needs key {wanted}, LIVEKIT_METAL_KEY holds key ")
    assert found.endswith("; put the key there that the file was made with")
    assert OTHER not in found
