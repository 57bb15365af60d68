"""A real inventory of one host, and its secrets, for tests of what an operator types."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.vault.vault import Vault
from procedures import secrets as procedure
from tests.support.values.sites import SINGLE

INVENTORY = f"from livekit_metal import load\n\nhosts = load({SINGLE!r}, __file__)\n"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real inventory of one host, in the test's own directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LIVEKIT_METAL_KEY", raising=False)
    monkeypatch.delenv("LIVEKIT_METAL_KEY_FILE", raising=False)
    path = tmp_path / "prod.py"
    path.write_text(INVENTORY)
    return path


@pytest.fixture
def deployed(inventory: Path) -> Vault:
    """The vault that the first deploy of ``inventory`` leaves behind."""
    vault = Vault.open(inventory.with_suffix(".secrets"))
    vault.passwords("redis")
    vault.persist()
    return vault


@pytest.fixture
def run(inventory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a verb in this process: exit status, stdout, stderr."""

    def call(*words: str, stdin: str = "") -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = procedure.main([str(inventory), *words])
        return status, *capsys.readouterr()

    return call


def reopened(inventory: Path) -> Vault:
    return Vault.open(inventory.with_suffix(".secrets"))


def next_step(inventory: Path) -> str:
    return f"next: pyinfra {inventory} deploy.py\n"
