"""What root runs, where a daemon's user has put links and pipes in its way: nothing of root's is touched or told."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livekit_metal.core.slots.active import TALK, Active
from livekit_metal.roles.acme.settings import Settings as Acme
from livekit_metal.roles.egress.settings import Settings as Egress
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from livekit_metal.runtime.host.files import text
from livekit_metal.site.model import Site
from tests.support.values.sites import carrying

NOBODY = 65534
_AS_NOBODY = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
_FAIL_SAFE = 120  # s: a script that waits for ever fails the test instead of holding it up

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="to become another user takes root")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of nobody's, where everybody gets to, as a daemon's below /run."""
    directory = Path(tempfile.mkdtemp(prefix="planted-"))
    directory.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Root's alone."""
    file = tmp_path / "secret"
    file.write_text("root's")
    file.chmod(0o600)
    return file


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", script, "sh", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_FAIL_SAFE)


def plant(link: Path, to: Path) -> None:
    link.symlink_to(to)
    if os.geteuid() == 0:
        os.lchown(link, NOBODY, NOBODY)


def test_a_hand_over_writes_nothing_where_kamailio_may(phones: Site, place: Path, secret: Path, tmp_path: Path) -> None:
    found = phones.for_host("lk1").kamailio
    assert found
    settings = dataclasses.replace(found, config_root=str(tmp_path), active=Active(str(tmp_path / "active.map")))
    Path(settings.directory).mkdir()
    own = f"/run/{Kamailio.runtime}"
    for name in ("slots", "slots.new", "slots.lkm-new"):
        plant(place / name, secret)
    script = text("kamailio/dispatch.sh.j2", kamailio=settings).replace(own, str(place))
    done = run(script, "only-write")
    assert done.returncode == 0, done.stderr
    assert secret.read_text() == "root's"
    assert Path(settings.slots_file.replace(own, str(place))).read_text() == "\n", "no slot is active"
    assert not settings.slots_file.startswith(own)


@pytest.fixture
def lego(certified: Site, place: Path, tmp_path: Path) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Take over what lego has got, in ``place``; it runs as nobody where that is possible."""
    found = certified.for_host("lk1").acme
    assert found
    served = tmp_path / "edge/acme.pem"
    served.parent.mkdir()
    settings: Acme = dataclasses.replace(
        found, served=str(served), config_root=str(tmp_path), state_root=str(place), group="root"
    )
    got = Path(settings.got)
    got.parent.mkdir(parents=True)
    user = _AS_NOBODY if os.geteuid() == 0 else ""
    script = (
        text("acme/certificate.sh.j2", acme=settings).replace(found.as_user, user).replace("timeout 10", "timeout 1")
    )
    return lambda: run(script, "take")


def keys(place: Path) -> tuple[Path, Path]:
    (certificates,) = place.rglob("certificates")
    name = "lk.example.org"
    return certificates / f"{name}.key", certificates / f"{name}.crt"


@as_root
def test_no_file_of_root_s_becomes_a_certificate(
    lego: Callable[[], subprocess.CompletedProcess[str]], place: Path, secret: Path, tmp_path: Path
) -> None:
    key, chain = keys(place)
    plant(key, secret)
    chain.write_text("x")
    tmp_path.chmod(0o755)
    done = lego()
    assert done.returncode != 0
    assert f"{key}: cannot be read as livekit-acme within 10 s; see what it is (ls -l)" in done.stderr.replace(
        "within 1 s", "within 10 s"
    )
    assert [p.name for p in (tmp_path / "edge").iterdir()] == [], "no copy of it stays"


def test_a_pipe_in_lego_s_directory_is_not_waited_for(
    lego: Callable[[], subprocess.CompletedProcess[str]], place: Path
) -> None:
    key, _ = keys(place)
    os.mkfifo(key, 0o666)
    done = lego()
    assert done.returncode != 0
    assert f"{key}: cannot be read as livekit-acme" in done.stderr


def test_what_has_no_end_is_cut_off(lego: Callable[[], subprocess.CompletedProcess[str]], place: Path) -> None:
    for link in keys(place):
        plant(link, Path("/dev/zero"))
    done = lego()
    assert done.returncode != 0


def test_root_itself_touches_nothing_that_egress_has_put_anywhere(any_site: Site, place: Path) -> None:
    """Not even to remove it: with a setpriv that does nothing, all is as it was."""
    settings: Egress = dataclasses.replace(carrying(any_site, "egress").for_host("lk1").egress, state_root=str(place))
    slot = settings.slots[0]
    cut = place / "egress" / slot / "EG_cut"
    cut.mkdir(parents=True)
    (cut / "x.ogg").write_text("sound")
    script = text("egress/tidy.sh.j2", egress=settings).replace(f"-o {Egress.user} -g {Egress.user}", "")
    done = run(script.replace(settings.as_user, "true"), slot)
    assert done.returncode == 0, done.stderr
    assert (cut / "x.ogg").read_text() == "sound"
    assert list((place / "egress/cut-short").iterdir()) == []


@as_root
def test_what_is_said_to_haproxy_goes_nowhere_else(place: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "roots.sock"))
        (tmp_path / "roots.sock").chmod(0o600)
        server.listen()
        server.setblocking(False)
        plant(place / "admin.sock", tmp_path / "roots.sock")
        done = run(f'socket={place}/admin.sock\n{TALK}talk "show info"')
        assert done.returncode != 0
        assert "HAProxy does not answer on" in done.stderr
        with pytest.raises(BlockingIOError):
            server.accept()
