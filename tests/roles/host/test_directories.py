"""Directories of ours can be entered whatever umask a login has, and those that cannot are mended: by real shells."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.runtime.artifacts import push
from livekit_metal.runtime.generations.history import History
from livekit_metal.runtime.host import commands, directories, files, state
from livekit_metal.runtime.host.commands import changing
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import maintenance
from livekit_metal.runtime.slots import switchover
from tests.support.hosts.reachable import reachable

UMASKS = pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)


class Local:
    """Has this machine be the host: changing commands run here, as they would there with a login's umask."""

    def __init__(self, place: Path, umask: int) -> None:
        self.place, self.umask = place, umask

    def run(self, command: Any, stdin: str = "") -> None:
        text = command.get_raw_value().replace("/run/livekit-metal", f"{self.place}/run/livekit-metal")
        # the commands that need a system are none here; nor are owners ours to give
        text = text.replace("/etc/systemd/", f"{self.place}/etc/systemd/").replace("--same-owner", "--no-same-owner")
        bin_ = self.place / "bin"
        for name in ("systemctl",):
            (bin_ / name).write_text("#!/bin/sh\n")
            (bin_ / name).chmod(0o755)
        environment = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-c", text],
            input=stdin.encode("latin-1"),
            capture_output=True,
            check=False,
            umask=self.umask,
            env=environment,
        )
        assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def local(tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> Local:
    for name in ("bin", "run"):
        (tmp_path / name).mkdir(mode=0o755, exist_ok=True)
    found = Local(tmp_path, umask)
    monkeypatch.setattr(commands, "_before_first_change", [])
    monkeypatch.setattr(commands, "_execute", lambda host, command, stdin, timeout: found.run(command, stdin) or "")
    return found


def modes(place: Path) -> dict[str, str]:
    """Of every directory below a place."""
    return {str(p.relative_to(place)): f"{p.stat().st_mode & 0o777:o}" for p in place.rglob("*") if p.is_dir()}


def tree() -> tuple[bytes, str]:
    """An image's tree, squeezed, and its sum."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("usr")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    return gzip.compress(out.getvalue()), hashlib.sha256(out.getvalue()).hexdigest()


@UMASKS
def test_whatever_makes_a_directory_lets_the_daemons_in(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    host, to = Any, local.place
    monkeypatch.setattr(files, "show", lambda host, stale: None)
    mine = {"user": os.popen("id -un").read().strip(), "group": os.popen("id -gn").read().strip()}
    (written,) = files.bundle([File(f"{to}/a/etc/daemon/config", "x", **mine)], HostState())
    (made,) = files.directory(f"{to}/a/var/daemon", HostState(), mode="755", **mine)
    for step in (written, made):
        step.run(host)
    maintenance.begin(host, f"{to}/b/etc/maintenance", "power")
    History("daemon", f"{to}/c/etc").reject(host, "generation", "why")
    packed, digest = tree()
    arguments = (f"{to}/d/opt/daemon/1.0.0-abc", push.TREE, digest, "1")
    local.run(changing(push._RECEIVE_TREE, *arguments), packed.decode("latin-1"))
    program = b"#!/bin/sh\n"
    arguments = (f"{to}/e/opt/daemon/1.0.0-abc", "daemon", hashlib.sha256(program).hexdigest())
    local.run(changing(push._RECEIVE, *arguments), gzip.compress(program).decode("latin-1"))
    switchover.point(host, "livekit-daemon@a.service", f"{to}/slot-a.conf", switchover.candidate("daemon", "a"))

    found = modes(to)
    assert found["run/livekit-metal"] == "755", "else no slot may start"
    assert found.pop("d/opt/daemon/1.0.0-abc") == "700", "set-user-ID programs of images are nobody's"
    assert found.pop("d/opt/daemon/1.0.0-abc/rootfs") == "700", "the image says what its root is"
    assert set(found.values()) == {"755"}, found
    assert (to / "e/opt/daemon/1.0.0-abc/daemon").stat().st_mode & 0o777 == 0o755


SCRIPT_MKDIR = re.compile(r"mkdir [^\n;|&)]*-m\b|mkdir -m\b")


def test_no_script_makes_parents_by_a_mode_of_the_last() -> None:
    """``mkdir -p -m`` gives its mode to the last directory alone; those above it get the umask's."""
    code = [
        p
        for top in ("roles", "livekit_metal", "procedures")
        for kind in ("py", "sh")
        for p in Path(top).rglob(f"*.{kind}")
    ]
    places = [*code, *Path("templates").rglob("*.j2")]
    assert len(places) > 200
    assert [str(p) for p in places if SCRIPT_MKDIR.search(p.read_text())] == []


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's directories, as a deploy leaves them."""
    for name in (
        "srv/alt/etc/livekit/gen",
        "srv/alt/opt/livekit/1",
        "srv/alt/opt/egress/2/rootfs",
        "srv/alt/var/redis",
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "srv/alt/opt/egress/2").chmod(0o700)
    (tmp_path / "srv/alt/var/redis").chmod(0o750)
    reachable(tmp_path)
    return tmp_path


def seen(place: Path) -> HostState:
    base = place / "srv/alt"
    (probe,) = directories.needs(f"{base}/etc", f"{base}/opt", f"{base}/var").queries
    text = probe[1].replace(switchover.RUN, f"{place}/run").replace("-user root", f"-user {os.getuid()}")
    script = state.script(StateQuery(queries=((probe[0], text),)))
    return state.parse(subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=True).stdout)


def test_directories_as_they_should_be_are_left_alone(host: Path) -> None:
    assert directories.actions(seen(host)) == ()
    assert directories.notes(seen(host)) == ()


@pytest.mark.parametrize(
    "name",
    ["srv/alt/etc", "srv/alt/etc/livekit/gen", "srv/alt/opt/livekit", "srv/alt/opt/livekit/1", "srv/alt/var", "run"],
)
@pytest.mark.parametrize("mode", [0o750, 0o700, 0o775])
@pytest.mark.parametrize("umask", [0o027])
def test_a_wrong_mode_is_mended_by_the_next_deploy(host: Path, local: Local, name: str, mode: int) -> None:
    (host / name).chmod(mode)
    (step,) = directories.actions(seen(host))
    assert f"{host}/{name}" in step.name
    step.run(Any)
    assert (host / name).stat().st_mode & 0o777 == 0o755
    assert directories.actions(seen(host)) == ()


@pytest.mark.parametrize("umask", [0o027])
def test_a_directory_above_is_mended_when_it_holds_nothing_but_ours(host: Path, local: Local) -> None:
    """What an earlier version left under umask 077; somebody else's is only told of."""
    (host / "srv/alt").chmod(0o700)
    (step,) = directories.actions(seen(host))
    step.run(Any)
    assert directories.actions(seen(host)) == ()
    (host / "srv/alt/theirs").mkdir()
    (host / "srv/alt").chmod(0o700)
    assert directories.actions(seen(host)) == ()
    (note,) = directories.notes(seen(host))
    assert f"paths: {host}/srv/alt has mode 700" in note
