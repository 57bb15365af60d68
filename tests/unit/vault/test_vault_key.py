"""The key of a vault: every bad one is refused with its own message, before anything is written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.vault.key import MAKE, Key, KeySource
from livekit_metal.vault.vault import Vault

HELD = "holds no key (43 characters of base64url)"
BAD_TEXT = {
    "empty": ("", f"the key in LIVEKIT_METAL_KEY is shorter than 32 characters (0); {MAKE}"),
    "passphrase": (
        "hunter2-hunter2",
        f"the key in LIVEKIT_METAL_KEY is shorter than 32 characters (15); {MAKE}",
    ),
    "31": ("x" * 31, f"the key in LIVEKIT_METAL_KEY is shorter than 32 characters (31); {MAKE}"),
    "32": ("x" * 32, f"LIVEKIT_METAL_KEY {HELD}; {MAKE}"),
    "44": ("x" * 44, f"LIVEKIT_METAL_KEY {HELD}; {MAKE}"),
    "alphabet": ("+" * 43, f"LIVEKIT_METAL_KEY {HELD}; {MAKE}"),
    "sentence": ("correct horse battery staple and forty three", f"LIVEKIT_METAL_KEY {HELD}; {MAKE}"),
}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys go into the test's own directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LIVEKIT_METAL_KEY", raising=False)
    monkeypatch.delenv("LIVEKIT_METAL_KEY_FILE", raising=False)


def refusal(tmp_path: Path) -> str:
    with pytest.raises(SiteError) as caught:
        Vault.open(tmp_path / "prod.secrets")
    assert not (tmp_path / "prod.secrets").exists()
    return str(caught.value)


@pytest.mark.parametrize("case", BAD_TEXT)
def test_a_text_that_is_no_key_is_refused(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, message = BAD_TEXT[case]
    monkeypatch.setenv("LIVEKIT_METAL_KEY", text)
    found = refusal(tmp_path)
    assert found == f"secrets: {message}"
    assert not text or text not in found


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o444])
@pytest.mark.parametrize("given", [True, False])
def test_a_key_file_open_to_others_is_refused(
    mode: int, given: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = KeySource.of("prod")
    source.store(Key.new("here"))
    source.default.chmod(mode)
    if given:
        monkeypatch.setenv("LIVEKIT_METAL_KEY_FILE", str(source.default))
    fact = f"the key file {source.default} is open to other users (mode {mode:04o})"
    assert refusal(tmp_path) == f"secrets: {fact}; run: chmod 600 {source.default}"
    source.default.chmod(0o600)
    assert Vault.open(tmp_path / "prod.secrets").api_keys


def test_a_key_file_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KeySource.of("prod").store(Key.new("here"))  # no fallback to a sound default
    monkeypatch.setenv("LIVEKIT_METAL_KEY_FILE", "/nowhere/key")
    fact = "LIVEKIT_METAL_KEY_FILE names /nowhere/key, which does not exist"
    assert refusal(tmp_path) == f"secrets: {fact}; correct or unset it"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe" * 40, f"{{path}} {HELD}; {MAKE}"),
        (b"short\n", f"the key in {{path}} is shorter than 32 characters (5); {MAKE}"),
        (None, "the key file {path} cannot be read (Is a directory); make it readable to you"),
    ],
)
def test_a_key_file_that_holds_no_key_is_refused(
    content: bytes | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my.key"
    if content is None:
        path.mkdir(0o700)
    else:
        path.write_bytes(content)
        path.chmod(0o600)
    monkeypatch.setenv("LIVEKIT_METAL_KEY_FILE", str(path))
    assert refusal(tmp_path) == f"secrets: {message.format(path=path)}"


def test_a_key_can_come_through_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in LIVEKIT_METAL_KEY_FILE=<(pass show livekit): it can be read once only."""
    reading, writing = os.pipe()
    os.write(writing, secrets.token_urlsafe(32).encode())
    os.close(writing)
    monkeypatch.setenv("LIVEKIT_METAL_KEY_FILE", f"/dev/fd/{reading}")
    try:
        vault = Vault.open(tmp_path / "prod.secrets")
        vault.persist()
        assert vault.as_saved().api_keys == vault.api_keys
    finally:
        os.close(reading)


def test_the_variable_wins_over_both_files(monkeypatch: pytest.MonkeyPatch) -> None:
    text = secrets.token_urlsafe(32)
    KeySource.of("prod").store(Key.new("here"))
    found = KeySource.of("prod").find()
    assert found is not None
    assert found.text.reveal() != text
    monkeypatch.setenv("LIVEKIT_METAL_KEY_FILE", "/nowhere/key")
    monkeypatch.setenv("LIVEKIT_METAL_KEY", text)
    assert KeySource.of("prod").find() == Key.parse(text, "LIVEKIT_METAL_KEY")


@pytest.mark.parametrize("config", ["", "relative/path"])
def test_without_a_sound_xdg_directory_the_home_is_used(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    source = KeySource.of("prod", {"XDG_CONFIG_HOME": config})
    assert source.default == Path("/home/somebody/.config/livekit-metal/prod.key")


def test_a_key_and_its_source_print_redacted() -> None:
    text = secrets.token_urlsafe(32)
    source = KeySource.of("prod", {"LIVEKIT_METAL_KEY": text})
    key = source.find()
    assert key is not None
    assert text not in f"{source} {key} {key.id}"
