"""A release arrives on a host, whole or not at all; a host that is busy is not taken for one that is gone."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/agents/scripts/receive.sh"
# Compiles when somebody says so.
SLOW = '#!/bin/sh\nread -r _ <"$GO"\n'


def archive(top: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(f"{top}/x.py")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"\n"))
    return out.getvalue()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(SLOW)
    (tmp_path / "bin/python3").chmod(0o755)
    os.mkfifo(tmp_path / "go")
    return tmp_path


def arriving(host: Path, top: str, packages: str, *, whole: bool = True) -> subprocess.Popen[bytes]:
    sent = archive(top)
    digest = hashlib.sha256(sent if whole else b"").hexdigest()
    command = ["sh", str(SCRIPT), str(host / "agents-echo/1"), top, digest, "1", packages]
    environment = {"PATH": f"{host}/bin:{os.environ['PATH']}", "GO": str(host / "go")}
    running = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdin
    running.stdin.write(gzip.compress(sent))
    running.stdin.close()
    return running


def test_it_gives_signs_of_life_while_it_compiles(host: Path) -> None:
    for top, packages in (("site", "these ones"), ("code", "")):
        running = arriving(host, top, packages)
        assert running.stdout
        assert running.stdout.read(1) == b"."
        assert not (host / "agents-echo/1").exists(), "not whole yet"
        (host / "go").write_text("\n")
        assert running.stdout.read() in (b"", b"."), "nothing holds the connection open"
        assert running.wait(60) == 0
    made = host / "agents-echo/1"
    assert sorted(p.name for p in made.iterdir()) == ["code", "packages", "site"]
    assert (made / "packages").read_text() == "these ones\n"


def test_what_arrives_damaged_leaves_nothing(host: Path) -> None:
    running = arriving(host, "code", "", whole=False)
    assert running.stderr
    assert b"what arrived is not what was sent" in running.stderr.read()
    assert running.wait(60) == 1
    assert list((host / "agents-echo").iterdir()) == []
