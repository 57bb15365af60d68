"""Passwords that others decide, in two secrets files that went apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.types.secret import Secret
from livekit_metal.vault.union import unite
from livekit_metal.vault.vault import Vault
from tests.unit.vault.test_unite import Two

NAME = "redis-external"


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Two:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Two(tmp_path / "prod.secrets")


def told(two: Two, *values: str) -> None:
    for value in values:
        two.change(two.mine, lambda vault, value=value: vault.set_password(NAME, value))  # type: ignore[misc]


def test_a_password_that_is_put_back_stays_the_current_one(two: Two) -> None:
    """Somebody else decides it (an external Redis), and went back to the previous one."""
    told(two, "former", "another")
    two.change(two.mine, lambda vault: vault.retire_password(NAME))
    told(two, "former")
    united, _ = two.unite()
    assert [s.reveal() for s in united.passwords(NAME)] == ["former", "another"]


def test_a_password_that_a_third_one_drove_out_does_not_come_back(two: Two) -> None:
    told(two, "first")
    two.other.write_bytes(two.mine.read_bytes())
    told(two, "second", "third")
    united, _ = two.unite()
    assert [s.reveal() for s in united.passwords(NAME)] == ["third", "second"]


def test_of_two_files_from_before_serials_none_is_known_to_be_the_newer(two: Two) -> None:
    mine, other = (Vault.open(two.mine)._document, two.open(two.other)._document)
    other.passwords["redis"] = [Secret("secrets.passwords.redis", "z" * 40)]
    assert (mine.serial, other.serial, mine.before, other.before) == (1, 1, {}, {})
    with pytest.raises(SiteError, match="both files are from before serials"):
        unite(mine, other)
