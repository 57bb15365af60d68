"""The command and the completion of lk, run: with a stand-in for the program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.roles.lk import tasks
from livekit_metal.roles.lk.settings import Settings
from livekit_metal.site.model import Site
from tests.support.values.sites import SINGLE

STANDIN = Path(__file__).parents[1] / "standins"


@pytest.fixture
def place(tmp_path: Path, make_site: Callable[[dict[str, Any]], Site]) -> Path:
    """What is on a host, in a directory: bin/lk, and its completion."""
    host = SINGLE["hosts"]["lk1"]
    data = {"hosts": {"lk1": {**host, "roles": [*host["roles"], "lk"]}}, "paths": {"config": f"{tmp_path}/etc/lkm"}}
    own = make_site(SINGLE | data).for_host("lk1").of(Settings)
    assert own is not None
    command, completion, context = tasks.wanted_files(own, str(STANDIN))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/lk").write_text(command.text)
    (tmp_path / "bin/lk").chmod(0o755)
    (tmp_path / "completion").write_text(completion.text)
    Path(context.path).parent.mkdir(parents=True)
    Path(context.path).write_text(context.text)
    return tmp_path


def run(place: Path, *words: str) -> str:
    environment = {"PATH": f"{place}/bin:{os.environ['PATH']}", "HOME": str(place), "SHELL": "/bin/zsh"}
    return subprocess.run(words, env=environment, text=True, capture_output=True, check=True).stdout


def test_whoever_may_read_the_keys_has_the_site(place: Path) -> None:
    said = run(place, "lk", "room", "list", "a b").splitlines()
    assert said == ["default_project livekit-metal", "url ws://127.0.0.1:7880", "asked: room list a b"]


def test_whoever_may_not_has_what_is_his_own(place: Path) -> None:
    (place / "etc/lkm/lk/.livekit/cli-config.yaml").unlink()
    (place / ".livekit").mkdir()
    (place / ".livekit/cli-config.yaml").write_text('"default_project": "mine"\n')
    assert run(place, "lk", "room", "list").splitlines() == ["default_project mine", "asked: room list"]


def completed(place: Path, *typed: str) -> list[str]:
    words = " ".join(f"'{word}'" for word in typed)
    typing = f". {place}/completion; COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}; _lk"
    script = f'{typing}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return run(place, "bash", "-c", script).split()


def test_what_may_come_next_is_completed(place: Path) -> None:
    assert completed(place, "lk", "ro") == ["room"]
    assert completed(place, "lk", "room", "") == ["list", "join", "delete"]
    assert completed(place, "lk", "--a") == ["--api-key"]


def test_what_is_typed_is_not_run(place: Path) -> None:
    completed(place, "lk", f"$(touch {place}/run)", "x")
    assert not (place / "run").exists()
