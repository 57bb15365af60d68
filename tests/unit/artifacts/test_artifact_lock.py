"""The record of builds: what it keeps, and that a damaged one is neither believed nor overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.runtime.artifacts import lockfile
from livekit_metal.runtime.artifacts.lockfile import record, recorded
from livekit_metal.runtime.artifacts.store import Made, Store

MADE = Made("ab" * 32, 75_605_148, "go1.26.8")
REMEDY = "restore it from version control (`git checkout HEAD -- FILE`)"
ENTRY = """{
  "first": {
    "go": "go1.26.8",
    "sha256": "%s",
    "size": 75605148
  },
  "second": {
    "go": "go1.26.9",
    "sha256": "%s",
    "size": 1
  }
}
"""


def test_entries_are_sorted_and_kept(tmp_path: Path) -> None:
    lock, store = tmp_path / "site.lock", Store(tmp_path / "cache")
    record(lock, "second", Made("cd" * 32, 1, "go1.26.9"), store)
    record(lock, "first", MADE, store)
    assert lock.read_text() == ENTRY % ("ab" * 32, "cd" * 32)
    assert recorded(lock, "first") == MADE
    assert recorded(lock, "third") is None
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["site.lock"]


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("[]", "is not a mapping of builds"),
        (
            "{",
            "is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
        ),
        (
            '{"first": {"go": "go1.26.8", "sha256": "abc", "size": 1}}',
            "has an entry without go, sha256 and size: first",
        ),
    ],
)
def test_a_damaged_lock_is_refused_and_kept(tmp_path: Path, text: str, fact: str) -> None:
    lock = tmp_path / "site.lock"
    lock.write_text(text)
    with pytest.raises(SiteError) as error:
        recorded(lock, "first")
    assert str(error.value) == f"{lock}: {fact}; {REMEDY}"
    assert lock.read_text() == text


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that may only be read: the cache is not to blame."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lockfile, "write", refuse)
    lock = tmp_path / "prod.lock"
    with pytest.raises(SiteError) as caught:
        record(lock, "key", MADE, Store(tmp_path / "cache"))
    assert (
        str(caught.value) == f"{lock}: cannot be written: Permission denied; deploy once where it can be, and commit it"
    )
