"""What a removal and an installation do to packages and units, with an apt that notes how it was called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livekit_metal.roles.base import tasks as base
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.slots import uninstall
from tests.support.programs.fakes import Fakes

HOST: Any = None
HERE = """shift 3; for p in "$@"; do grep -qx "$p" "$INSTALLED" && echo "$p ii"; done; :"""


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    monkeypatch.setenv("INSTALLED", str(tmp_path / "installed"))
    (tmp_path / "record").write_text("haproxy\nredis-server\nnever-came\n")
    return Fakes(tmp_path, systemctl="", dpkg_query=HERE)


def purge(fakes: Fakes, tmp_path: Path) -> str:
    return fakes.run(HOST, uninstall._PURGE, str(tmp_path / "record"), "packages stay because")


def test_only_what_is_there_is_purged(fakes: Fakes, tmp_path: Path) -> None:
    (tmp_path / "installed").write_text("haproxy\nredis-server\nbash\n")
    fakes.program("apt-get", 'shift 2; for p; do echo "Purg $p [1.0]"; done')
    assert "packages stay" not in purge(fakes, tmp_path)
    assert fakes.calls[-1].endswith("purge haproxy redis-server")


def test_what_something_else_needs_stays_and_is_told(fakes: Fakes, tmp_path: Path) -> None:
    (tmp_path / "installed").write_text("haproxy\nredis-server\n")
    fakes.program(
        "apt-get",
        'case $* in -s*redis*) echo "Purg gitlab [1.0]" ;; esac; shift 2; for p; do echo "Purg $p [1.0]"; done',
    )
    told = [line for line in purge(fakes, tmp_path).splitlines() if line.startswith("packages stay")]
    (done,) = [call for call in fakes.calls if call.startswith("apt-get -y")]
    assert done.split()[-2:] == ["purge", "haproxy"]
    assert len(told) == 1
    assert "gitlab" in told[0]
    assert "need them: " in told[0]


def test_nothing_of_ours_is_nothing_to_purge(fakes: Fakes, tmp_path: Path) -> None:
    (tmp_path / "installed").write_text("bash\n")
    assert purge(fakes, tmp_path) == ""
    (tmp_path / "record").unlink()
    assert purge(fakes, tmp_path) == ""
    assert not [call for call in fakes.calls if call.startswith("apt-get")]


def test_a_unit_that_cannot_be_disabled_is_stopped_without_its_deadline(fakes: Fakes, tmp_path: Path) -> None:
    fakes.program("systemctl", '[ "$2" != disable ] || [ "$4" != b.service ]')
    drain = tmp_path / "system/livekit-server@a.service.d/90-drain.conf"
    drain.parent.mkdir(parents=True)
    drain.touch()
    other = tmp_path / "system/ssh.service.d"
    other.mkdir()
    fakes.run(HOST, uninstall._STOP, "a.service", "b.service")
    assert fakes.calls == [
        "systemctl daemon-reload",
        "systemctl -q disable --now a.service",
        "systemctl -q disable --now b.service",
        "systemctl stop b.service",
    ]
    assert not drain.parent.exists()
    assert other.exists()


@pytest.fixture
def apt(fakes: Fakes, tmp_path: Path) -> Fakes:
    (tmp_path / "installed").write_text("bash\n")
    (tmp_path / "updates").mkdir()
    fakes.moved["/var/lib/dpkg/updates"] = str(tmp_path / "updates")
    fakes.program("dpkg-query", 'cat "$INSTALLED"')
    fakes.program("dpkg")
    return fakes


def install(apt: Fakes, tmp_path: Path) -> str:
    return apt.run(HOST, base._INSTALL, f"{tmp_path}/notes/packages", f"{tmp_path}/notes/users", "haproxy", "it's")


@pytest.mark.parametrize("status", [0, 100])
def test_what_came_is_noted_even_when_the_installation_fails(apt: Fakes, tmp_path: Path, status: int) -> None:
    apt.program("apt-get", f'[ "$2" != update ] || exit 0; echo haproxy >>"$INSTALLED"; exit {status}')
    if status:
        with pytest.raises(HostError):
            install(apt, tmp_path)
    else:
        install(apt, tmp_path)
    assert (tmp_path / "notes/packages").read_text() == "haproxy\n"
    assert (tmp_path / "notes/users").read_text() == ""
    assert [call for call in apt.calls if call.startswith("apt-get")][-1].endswith("install -- haproxy it's")


def test_an_installation_that_was_cut_short_is_finished_first(apt: Fakes, tmp_path: Path) -> None:
    (tmp_path / "updates/0001").touch()
    apt.program("apt-get")
    install(apt, tmp_path)
    calls = apt.calls
    (mended,) = [i for i, call in enumerate(calls) if call.startswith("dpkg --force-confdef")]
    assert calls[mended].endswith("--configure -a")
    assert next(i for i, call in enumerate(calls) if "install -- " in call) > mended


def test_lists_that_cannot_be_got_are_told(apt: Fakes, tmp_path: Path) -> None:
    apt.program("apt-get", "echo 'E: no mirror'; exit 100")
    with pytest.raises(HostError, match="E: no mirror"):
        install(apt, tmp_path)
