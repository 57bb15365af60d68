"""What the grafana role plans from what it sees, what it refuses, and how the program gets there."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core import shell
from livekit_metal.core.errors import SiteError
from livekit_metal.roles.grafana import tasks
from livekit_metal.roles.grafana.settings import UNIT, Settings
from livekit_metal.roles.grafana.tasks import _dashboards, _service, activate
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.roles.wanted import as_wanted, names
from tests.support.artifacts.grafana import archive

MakeSite = Callable[[dict[str, Any]], Site]


@pytest.fixture
def data(site_data: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    site_data["hosts"]["lk1"]["roles"].append("grafana")
    file, sha256 = archive(tmp_path)
    site_data["grafana"] = {"file": file, "sha256": sha256}
    return site_data


@pytest.fixture
def own(data: dict[str, Any], make_site: MakeSite) -> Settings:
    found = make_site(data).for_host("lk1").of(Settings)
    assert found is not None
    return found


def host(own: Settings) -> HostState:
    seen = as_wanted(_service(own))
    for file in _dashboards(own):
        seen.files[file.path] = hashlib.sha256(file.text.encode()).hexdigest()
        seen.stat[file.path] = ("644", "root", "root")
    seen.stat[own.data] = ("750", "grafana", "grafana")
    seen.answers["grafana.there"] = ["there"]
    return seen


def test_a_fresh_host_gets_the_program_first(own: Settings) -> None:
    planned = names(activate(own).plan(HostState()))
    assert planned[:2] == ["push grafana-0.0.0.linux-amd64.tar.gz", f"make {own.data}"]
    assert planned[-2:] == [f"start {UNIT}", f"{UNIT} answers"]


def test_a_host_as_wanted_is_left_alone(own: Settings) -> None:
    assert names(activate(own).plan(host(own))) == []


def test_another_dashboard_is_no_restart(own: Settings) -> None:
    seen = host(own)
    seen.files[_dashboards(own)[0].path] = "other"
    assert [name for name in names(activate(own).plan(seen)) if UNIT in name] == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"file": ""}, "grafana.file: is not named"),
        ({"file": "/nowhere/grafana.tar.gz"}, "grafana.file: /nowhere/grafana.tar.gz is not there"),
        ({"file": "grafana.zip"}, "grafana.file: is 'grafana.zip'; give upstream's .tar.gz or .deb"),
        ({"sha256": "abc"}, "grafana.sha256: is 'abc'"),
        ({"extra": {"server": {"http_addr": "0.0.0.0"}}}, "grafana.extra.server.http_addr: is set by livekit-metal"),
    ],
)
def test_what_cannot_be_is_refused(data: dict[str, Any], make_site: MakeSite, said: dict[str, Any], words: str) -> None:
    data["grafana"] |= said
    with pytest.raises(SiteError) as refused:
        make_site(data)
    assert words in str(refused.value)


def test_it_stands_beside_prometheus(data: dict[str, Any], make_site: MakeSite) -> None:
    data["hosts"]["lk2"]["roles"].append("grafana")
    with pytest.raises(SiteError, match="lk2 has the role grafana and not prometheus"):
        make_site(data)


def unpacked(file: Path, sha256: str, place: Path) -> subprocess.CompletedProcess[str]:
    program = shell.program(tasks.__file__, "unpack")
    with file.open("rb") as opened:
        command = ["sh", "-c", program, "sh", str(place), file.name, sha256]
        return subprocess.run(command, stdin=opened, capture_output=True, text=True, check=False)


def test_the_archive_is_unpacked_whole_and_without_rights_of_its_own(own: Settings, tmp_path: Path) -> None:
    place = tmp_path / "releases/grafana/abc"
    assert unpacked(Path(own.path), own.sha256, place).returncode == 0
    program = place / "home/bin/grafana"
    assert program.stat().st_mode & 0o7777 == 0o755
    assert (place / "home/conf/defaults.ini").exists()


def test_a_package_is_unpacked_and_not_installed(own: Settings, tmp_path: Path) -> None:
    tree = tmp_path / "deb"
    for name, text in {
        "usr/share/grafana/bin/grafana": "#!/bin/sh\n",
        "DEBIAN/postinst": "#!/bin/sh\nexit 9\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
        (tree / name).chmod(0o755)
    control = "Package: grafana\nVersion: 0\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    (tree / "DEBIAN/control").write_text(control)
    deb = tmp_path / "grafana.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(deb)], check=True, capture_output=True)
    place = tmp_path / "releases/grafana/abc"
    assert unpacked(deb, hashlib.sha256(deb.read_bytes()).hexdigest(), place).returncode == 0
    assert (place / "home").readlink() == Path("tree/usr/share/grafana")


def test_what_is_not_what_was_named_leaves_nothing(own: Settings, tmp_path: Path) -> None:
    place = tmp_path / "releases/grafana/abc"
    assert "what arrived is not what was sent" in unpacked(Path(own.path), "0" * 64, place).stderr
    assert not list(place.parent.iterdir())
    other = tmp_path / "other.tar.gz"
    subprocess.run(["tar", "-czf", str(other), "-C", str(tmp_path), "."], check=False, capture_output=True)
    done = unpacked(other, hashlib.sha256(other.read_bytes()).hexdigest(), place)
    assert done.returncode
    assert not list(place.parent.iterdir())
