"""A vault's file is written whole or not at all, and two runs never overwrite each other."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.core import atomic_file
from livekit_metal.core.errors import SiteError
from livekit_metal.vault import encryption
from livekit_metal.vault.key import Key
from livekit_metal.vault.vault import Vault

KILLED_BEFORE_RENAME = """
import os, pathlib, signal, sys
pathlib.Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
from livekit_metal.core import atomic_file
path = pathlib.Path(sys.argv[1])
atomic_file.replace(path, b"new" * 1000, was=atomic_file.read(path))
"""
AGAIN = "run the same command again"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test's vault goes; its key goes beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LIVEKIT_METAL_KEY", raising=False)
    monkeypatch.delenv("LIVEKIT_METAL_KEY_FILE", raising=False)
    return tmp_path / "prod.secrets"


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(SiteError) as caught:
        act()
    return str(caught.value)


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_run_killed_before_the_rename_leaves_the_old_file(old: bytes | None, path: Path) -> None:
    if old is not None:
        path.write_bytes(old)
    command = [sys.executable, "-c", KILLED_BEFORE_RENAME, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(atomic_file.__file__).parents[2])}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    left = path.with_name(".prod.secrets.new")
    assert (atomic_file.read(path), left.exists()) == (old, True)
    left.chmod(0o644)  # as a copy from somewhere else might be
    atomic_file.replace(path, b"next", was=old)
    assert (path.read_bytes(), left.exists()) == (b"next", False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    found = refusal(lambda: atomic_file.replace(path, b"new", was=b"old"))
    assert found == f"{path}: cannot be written (No space left on device); look at {path.parent}"
    assert [p.name for p in path.parent.iterdir()] == ["prod.secrets"]
    assert path.read_bytes() == b"old"


def test_the_bytes_are_on_disk_before_the_rename_and_the_rename_after(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def note_fsync(handle: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes")
        fsync(handle)

    def note_rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_rename)
    atomic_file.replace(path, b"12345", was=None)
    assert done == ["5 bytes", "rename", "directory"]


def test_a_file_that_appeared_meanwhile_is_not_overwritten(path: Path) -> None:
    first, second = Vault.open(path), Vault.open(path)
    first.persist()
    found = refusal(second.persist)
    assert found == f"{path}: has appeared since this run began, nothing was written; {AGAIN}"
    assert Vault.open(path).fingerprint() == first.fingerprint() != second.fingerprint()


def test_a_file_that_appears_in_the_last_moment_is_not_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault, seal = Vault.open(path), encryption.seal

    def late(document: bytes, key: Key) -> bytes:
        path.write_bytes(b"somebody's")
        return seal(document, key)

    monkeypatch.setattr(encryption, "seal", late)
    assert refusal(vault.persist).startswith(f"{path}: has appeared since this run began")
    assert path.read_bytes() == b"somebody's"


def test_a_key_that_appeared_meanwhile_is_not_overwritten(path: Path, tmp_path: Path) -> None:
    vault = Vault.open(path)
    key = tmp_path / "config" / "livekit-metal" / "prod.key"
    key.parent.mkdir(parents=True)
    key.write_text("somebody's")
    assert refusal(vault.persist) == f"{key}: has appeared since this run began, nothing was written; {AGAIN}"
    assert (key.read_text(), path.exists()) == ("somebody's", False)


def test_a_change_of_somebody_else_is_not_overwritten(path: Path) -> None:
    Vault.open(path).persist()
    first, second = Vault.open(path), Vault.open(path)
    new = first.rotate_api_key()
    first.persist()
    second.rotate_api_key()
    found = refusal(second.persist)
    assert found == f"{path}: was changed by somebody else since this run began, nothing was written; {AGAIN}"
    assert Vault.open(path).api_key == new


def test_a_file_that_is_gone_is_not_made_again(path: Path) -> None:
    Vault.open(path).persist()
    vault = Vault.open(path)
    vault.rotate_api_key()
    path.unlink()
    assert refusal(vault.persist) == f"{path}: is gone since this run began, nothing was written; {AGAIN}"
    assert not path.exists()


def test_two_runs_do_not_write_at_once(path: Path) -> None:
    with path.with_name(".prod.secrets.new").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert refusal(Vault.open(path).persist) == f"{path}: another run is writing it; {AGAIN}"
    assert not path.exists()
    Vault.open(path).persist()
    assert Vault.open(path).exists


def test_a_rename_between_open_and_lock_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other run renamed the file that this one opened: writing on would truncate the real one."""
    flock = fcntl.flock

    def late(handle: int, operation: int) -> None:
        path.with_name(".prod.secrets.new").rename(path)
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert refusal(lambda: atomic_file.replace(path, b"new", was=None)) == f"{path}: another run is writing it; {AGAIN}"
    assert path.read_bytes() == b""


def test_a_directory_that_cannot_be_written_is_told(path: Path) -> None:
    missing = path.parent / "missing" / "prod.secrets"
    found = refusal(Vault.open(missing).persist)
    assert found == f"{missing}: cannot be written (No such file or directory); look at {missing.parent}"


def test_a_file_that_is_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    """What it leads to is written, whole or not at all: nothing is left beside the link."""
    real = tmp_path / "elsewhere" / "real.secrets"
    real.parent.mkdir()
    vault = Vault.open(path)
    vault.persist()
    path.rename(real)
    path.symlink_to(Path("elsewhere") / "real.secrets")
    again = Vault.open(path)
    again.rotate_api_key()
    again.persist()
    assert path.is_symlink()
    assert not real.is_symlink()
    assert Vault.open(path).api_keys == again.api_keys
    assert [p.name for p in real.parent.iterdir()] == ["real.secrets"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config", "elsewhere", "prod.secrets"]


def test_two_runs_by_two_links_do_not_write_at_once(path: Path) -> None:
    path.write_bytes(b"old")
    link = path.with_name("link.secrets")
    link.symlink_to(path)
    with path.with_name(".prod.secrets.new").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        found = refusal(lambda: atomic_file.replace(link, b"new", was=b"old"))
        assert found == f"{link}: another run is writing it; {AGAIN}"


def test_a_link_that_leads_nowhere_is_refused(path: Path) -> None:
    """Another file would be made there, with other secrets, while the real one is on a disk that is not mounted."""
    path.symlink_to("/nowhere/prod.secrets")
    found = refusal(lambda: Vault.open(path))
    assert found == (
        f"{path}: is a link to /nowhere/prod.secrets, which is not there; "
        "bring that back (is a disk not mounted?), or remove the link"
    )
    assert path.is_symlink()


def test_what_is_for_everybody_is_written_whole_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault, file = Vault.open(path), path.with_name("prod.ca.pem")
    file.write_text("old")
    vault.persist()
    vault.export(file, "new certificate")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert refusal(vault.persist) == f"{file}: cannot be written (No space left on device); look at {file.parent}"
    assert file.read_text() == "old"
    vault.persist()
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new certificate", 0o644)
