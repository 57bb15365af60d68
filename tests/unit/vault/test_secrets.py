"""The values of a vault: made once, kept, rotated with an overlap, imported, retired, never printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.types.secret import Secret
from livekit_metal.vault.vault import Vault

LONG = "x" * 32


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """A new vault; ``reopen`` reads what it wrote."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LIVEKIT_METAL_KEY", raising=False)
    monkeypatch.delenv("LIVEKIT_METAL_KEY_FILE", raising=False)
    return Vault.open(tmp_path / "test.secrets")


def reopen(vault: Vault) -> Vault:
    vault.persist()
    return Vault.open(vault.path)


def test_a_new_vault_makes_one_api_key_and_keeps_it(vault: Vault) -> None:
    assert list(vault.api_keys) == [vault.api_key]
    assert vault.api_key.startswith("API")
    assert len(vault.api_key) == 15
    assert len(vault.api_secret.reveal()) >= 43
    assert reopen(vault).api_keys == vault.api_keys


def test_passwords_are_made_on_demand_and_kept(vault: Vault) -> None:
    (redis,), (monitor,) = vault.passwords("redis"), vault.passwords("redis-monitor")
    assert redis.reveal() != monitor.reveal()
    again = reopen(vault)
    assert again.passwords("redis") == (redis,)
    assert again.passwords("redis-monitor") == (monitor,)


def test_a_password_first_asked_for_after_persist_is_a_mistake(vault: Vault) -> None:
    vault.persist()
    with pytest.raises(RuntimeError, match="after persist"):
        vault.passwords("late")


def test_an_api_key_rotates_with_an_overlap(vault: Vault) -> None:
    old = vault.api_key
    new = vault.rotate_api_key()
    again = reopen(vault)
    assert list(again.api_keys) == [new, old]
    again.retire_api_key(old)
    assert list(reopen(again).api_keys) == [new]


def test_a_password_rotates_with_an_overlap(vault: Vault) -> None:
    (old,) = vault.passwords("redis")
    vault.rotate_password("redis")
    again = reopen(vault)
    assert len(again.passwords("redis")) == 2
    assert again.passwords("redis")[1] == old
    again.retire_password("redis")
    assert reopen(again).passwords("redis") == again.passwords("redis")[:1]
    assert old not in again.passwords("redis")


def test_an_imported_key_is_the_only_one_of_a_new_vault(vault: Vault) -> None:
    vault.import_api_key("APIold", LONG)
    vault.import_api_key("APIold", LONG)
    assert {k: s.reveal() for k, s in reopen(vault).api_keys.items()} == {"APIold": LONG}


def test_an_import_leaves_the_current_key_alone(vault: Vault) -> None:
    current = vault.api_key
    vault.import_api_key("APIold", LONG)
    assert list(vault.api_keys) == [current, "APIold"]


def test_the_fingerprint_is_stable_keyed_and_per_host(vault: Vault, tmp_path: Path) -> None:
    found = vault.fingerprint()
    assert len(found) == 16
    assert int(found, 16) >= 0
    assert vault.fingerprint("lk1") != found
    other = Vault.open(tmp_path / "other.secrets")
    assert other.fingerprint() != found
    vault.rotate_api_key()
    again = reopen(vault)
    assert (again.fingerprint(), again.fingerprint("lk1")) == (found, vault.fingerprint("lk1"))


def test_every_value_lists_all_that_was_handed_out(vault: Vault) -> None:
    old = vault.api_secret.reveal()
    vault.rotate_api_key()
    first = vault.passwords("redis")[0].reveal()
    vault.rotate_password("redis")
    vault.retire_api_key(list(vault.api_keys)[1])
    vault.retire_password("redis")
    handed = {old, first, vault.api_secret.reveal(), vault.passwords("redis")[0].reveal()}
    assert handed <= set(vault.every_value())


def test_a_vault_prints_none_of_its_values(vault: Vault) -> None:
    vault.passwords("redis")
    for each in (vault, reopen(vault)):
        seen = f"{each} {vars(each)}"
        assert "Secret(redis.password)" in seen
        assert not [value for value in each.every_value() if value in seen]


ROTATE = "python -m procedures.secrets INVENTORY rotate api-key"
RETIRE = "python -m procedures.secrets INVENTORY retire"


def rotate_twice(vault: Vault) -> None:
    vault.rotate_password("redis")
    vault.rotate_password("redis")


REFUSED: dict[str, tuple[Callable[[Vault], object], str]] = {
    "short secret": (
        lambda v: v.import_api_key("APIx", "x" * 31),
        "secrets.api_keys.APIx: its secret is shorter than 32 characters (31); "
        f"use a longer one, or a new key: {ROTATE}",
    ),
    "bad key": (
        lambda v: v.import_api_key("API x", LONG),
        "secrets.api_keys: 'API x' is not an API key; use letters, digits, _ and -",
    ),
    "empty key": (
        lambda v: v.import_api_key("", LONG),
        "secrets.api_keys: '' is not an API key; use letters, digits, _ and -",
    ),
    "blank in the secret": (
        lambda v: v.import_api_key("APIx", LONG + "\nmore"),
        "secrets.api_keys.APIx: its secret has blanks or control characters; check what was pasted",
    ),
    "another secret": (
        lambda v: v.import_api_key("APIone", LONG + "y"),
        f"secrets.api_keys.APIone: is known with another secret; retire it first: {RETIRE} api-key APIone",
    ),
    "last key": (
        lambda v: v.retire_api_key("APIone"),
        f"secrets.api_keys.APIone: is the only API key; make another first: {ROTATE}",
    ),
    "unknown key": (
        lambda v: v.retire_api_key("APIonne"),
        "secrets.api_keys.APIonne: unknown API key; did you mean 'APIone'?",
    ),
    "unknown password": (
        lambda v: v.rotate_password("rediss"),
        "secrets.passwords.rediss: unknown password; did you mean 'redis'?",
    ),
    "nothing known": (
        lambda v: Vault.open(v.path.with_name("empty.secrets")).rotate_password("redis"),
        "secrets.passwords.redis: unknown password; the first deploy makes them",
    ),
    "second rotation": (
        rotate_twice,
        f"secrets.passwords.redis: the previous password is still valid; deploy, then retire it: {RETIRE} redis",
    ),
    "nothing to retire": (
        lambda v: v.retire_password("redis"),
        "secrets.passwords.redis: has no previous one; nothing is left to retire",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_and_changes_nothing(case: str, vault: Vault) -> None:
    vault.import_api_key("APIone", LONG)
    vault.passwords("redis")
    before = vault.api_keys
    act, message = REFUSED[case]
    with pytest.raises(SiteError) as caught:
        act(vault)
    assert str(caught.value) == message
    assert vault.api_keys == before


def test_a_password_that_others_decide_is_taken_over_and_its_predecessor_kept(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path / "x.secrets")
    assert not vault.knows("redis-external")
    vault.set_password("redis-external", "one two")
    vault.set_password("redis-external", "three")
    assert [s.reveal() for s in vault.passwords("redis-external")] == ["three", "one two"]
    with pytest.raises(SiteError, match=r"secrets.passwords.redis-external: is empty or has control characters"):
        vault.set_password("redis-external", "a\nb")


PEM = "-----BEGIN PRIVATE KEY-----\nMIGH\nSECRETLINE\n-----END PRIVATE KEY-----\n"


def test_what_is_kept_stays_until_it_is_made_anew(vault: Vault) -> None:
    made = Secret("tls-lk1", PEM)
    assert vault.keep("tls-lk1", lambda old: old or made) == made
    again = reopen(vault)
    assert again.keep("tls-lk1", lambda old: old or Secret("tls-lk1", "another")) == made
    assert "SECRETLINE" in again.every_value()
    other = Secret("tls-lk1", PEM.replace("SECRET", "OTHER"))
    later = Vault.open(vault.path)
    assert later.keep("tls-lk1", lambda _: other) == other
    assert reopen(later).keep("tls-lk1", lambda old: old or made) == other


def test_what_is_kept_cannot_change_after_persist(vault: Vault) -> None:
    vault.persist()
    with pytest.raises(RuntimeError, match="after persist"):
        vault.keep("tls-lk1", lambda _: Secret("tls-lk1", PEM))


def test_persist_exports_what_is_for_everybody(vault: Vault, tmp_path: Path) -> None:
    vault.export(tmp_path / "ca.pem", "certificate")
    assert not (tmp_path / "ca.pem").exists()
    vault.persist()
    assert (tmp_path / "ca.pem").read_text() == "certificate"
    (tmp_path / "ca.pem").unlink()
    vault.persist()
    assert (tmp_path / "ca.pem").exists(), "also when nothing of the vault is new"
