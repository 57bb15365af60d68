"""Bundles, with the shell text they send run for real on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.state import HostState, parse, script


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host whose commands run here."""

    def sh(_host: Any, text: str, *args: str, stdin: str = "", timeout: int = 60) -> str:
        done = subprocess.run(["sh", "-c", text, "sh", *args], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HostError(done.stderr.strip())
        return done.stdout

    monkeypatch.setattr(files, "run", sh)
    monkeypatch.setattr(files, "read", sh)
    return SimpleNamespace(name="lk1", state=SimpleNamespace(config=SimpleNamespace(DIFF=False)))


def look(*wanted: File) -> HostState:
    text = script(files.needs(wanted))
    return parse(subprocess.run(["sh", "-s"], input=text, capture_output=True, text=True, check=True).stdout)


def write(host: Any, *wanted: File, validate: files.Validate | None = None) -> None:
    for step in files.bundle(wanted, look(*wanted), validate):
        step.run(host)


def test_files_arrive_with_content_mode_and_new_directories(host: Any, tmp_path: Path) -> None:
    plain, secret = File(f"{tmp_path}/new/dir/a", "text\n"), File(f"{tmp_path}/secret", "s", "600", secret=True)
    write(host, plain, secret)
    assert Path(plain.path).read_text() == "text\n"
    assert [oct(Path(f.path).stat().st_mode)[-3:] for f in (plain, secret)] == ["644", "600"]
    assert files.bundle((plain, secret), look(plain, secret)) == ()


def test_only_stale_files_are_sent(host: Any, tmp_path: Path) -> None:
    one, two = File(f"{tmp_path}/one", "1"), File(f"{tmp_path}/two", "2")
    write(host, one, two)
    (step,) = files.bundle((one, File(two.path, "3")), look(one, two))
    assert step.name == "write two"


def test_a_changed_mode_alone_is_stale(host: Any, tmp_path: Path) -> None:
    one = File(f"{tmp_path}/one", "1")
    write(host, one)
    Path(one.path).chmod(0o600)
    assert files.bundle((one,), look(one))


def test_what_its_program_refuses_changes_nothing_and_leaves_nothing(host: Any, tmp_path: Path) -> None:
    old = File(f"{tmp_path}/conf", "good\n")
    write(host, old)
    new = File(old.path, "bad\n")
    with pytest.raises(HostError, match="line 1 is bad"):
        write(host, new, validate=lambda at: f'! grep -q bad {at(new.path)} || {{ echo "line 1 is bad" >&2; exit 1; }}')
    assert Path(old.path).read_text() == "good\n"
    assert [p.name for p in tmp_path.iterdir()] == ["conf"]


def test_a_full_disk_changes_nothing(host: Any, tmp_path: Path) -> None:
    old = File(f"{tmp_path}/conf", "good\n")
    write(host, old)
    with pytest.raises(HostError, match="No space left"):
        write(host, File(old.path, "new\n"), validate=lambda at: "echo x | cat > /dev/full")
    assert Path(old.path).read_text() == "good\n"


def test_what_a_killed_run_left_is_removed(host: Any, tmp_path: Path) -> None:
    wanted = File(f"{tmp_path}/conf", "text")
    (tmp_path / "conf.lkm-dead").write_text("half")
    write(host, wanted)
    assert [p.name for p in tmp_path.iterdir()] == ["conf"]


def test_a_diff_shows_plain_files_and_never_secrets(
    host: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.state.config.DIFF = True
    write(host, File(f"{tmp_path}/plain", "shown\n"), File(f"{tmp_path}/keys", "hidden\n", "600", secret=True))
    said = capsys.readouterr().err
    assert "+shown" in said
    assert "hidden" not in said
    assert "keys (secret, not shown)" in said


def test_environment_values_read_alike_for_a_shell(tmp_path: Path) -> None:
    value = "a b'c\"d$e`f\\g#h"
    (tmp_path / "env").write_text(f"X={files.environment_value(value)}\n")
    said = subprocess.run(["sh", "-c", f'. {tmp_path}/env; printf %s "$X"'], capture_output=True, text=True, check=True)
    assert said.stdout == value


def test_a_line_break_cannot_go_into_an_environment_file() -> None:
    with pytest.raises(ValueError, match="line break"):
        files.environment_value("a\nb")
