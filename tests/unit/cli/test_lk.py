"""``procedures.lk``: the program gets the site by a file of this account, and nobody else sees the key."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.run import wait_until
from livekit_metal.site import inventory
from livekit_metal.vault.vault import Vault
from procedures import lk

ROOT = Path(__file__).parents[3]
# Says how it was called and what it was given, and waits when it is told to.
LK = """#!/bin/sh
{ tr '\\0' '\\n' </proc/$$/cmdline; env | grep '^LIVEKIT'; echo "home $HOME"; cd "$HOME/.livekit" || exit
  stat -c 'mode %a' cli-config.yaml "$HOME"; cat cli-config.yaml; } >"$SAID.new"
mv "$SAID.new" "$SAID"
[ "$1" != wait ] || exec sleep 600
exit 7
"""
SITE = """
from livekit_metal import load
site = {"hosts": {"lk1": {"address": "192.0.2.7", "roles": ["livekit", "redis"]}}}
hosts = load(site, __file__)
"""


@pytest.fixture
def prod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory with secrets, a stand-in for lk in PATH, and a shell that is about another site."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/lk").write_text(LK)
    (tmp_path / "bin/lk").chmod(0o755)
    (tmp_path / "run").mkdir()
    (tmp_path / "prod.py").write_text(SITE)
    for name, value in {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "SAID": str(tmp_path / "said"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "LIVEKIT_URL": "wss://other", "LIVEKIT_API_KEY": "other", "LIVEKIT_API_SECRET": "theirs",
        "PYTHONPATH": str(ROOT),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    inventory.read(tmp_path / "prod.py").opened.persist(lambda _: None)
    return tmp_path / "prod.py"


def vault(prod: Path) -> Vault:
    return inventory.read(prod).opened


def test_it_is_about_the_site_and_the_key_is_in_no_argument(prod: Path, tmp_path: Path) -> None:
    assert lk.main([str(prod), "--", "room", "list", "--json"]) == 7
    said = (tmp_path / "said").read_text()
    secret = vault(prod).api_secret.reveal()
    assert said.count(secret) == 1, "in the file alone"
    assert f'"api_secret": "{secret}"' in said
    assert '"url": "ws://192.0.2.7:7880"' in said
    assert "mode 600\nmode 700\n" in said
    assert "wss://other" not in said
    assert "theirs" not in said
    (home,) = [line.split()[1] for line in said.splitlines() if line.startswith("home ")]
    assert not Path(home).exists()


def test_the_file_goes_when_it_is_told_to_end(prod: Path, tmp_path: Path) -> None:
    running = subprocess.Popen([sys.executable, "-m", "procedures.lk", str(prod), "wait"], cwd=ROOT)
    try:
        assert wait_until((tmp_path / "said").exists, 60)
        assert list((tmp_path / "run").iterdir())
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 128 + signal.SIGTERM
    finally:
        running.kill()
    assert list((tmp_path / "run").iterdir()) == []


def test_what_is_missing_is_told(
    prod: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert lk.main([str(prod), "room", "list"]) == 2
    assert "lk: is not in PATH on this machine; install it" in capsys.readouterr().err
    assert lk.main(["none.py", "room", "list"]) == 2
    assert "none.py: there is no such inventory; name one" in capsys.readouterr().err
    assert lk.main([]) == 2
