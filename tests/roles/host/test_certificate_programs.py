"""What a host tells of certificates: read here with the real openssl."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core import shell
from livekit_metal.roles.acme import state as acme
from livekit_metal.roles.kamailio import tasks as kamailio
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.probe import on_host
from tests.support.programs.fakes import Fakes

HOST: Any = None


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path)


def pair(place: Path, name: str) -> tuple[Path, Path]:
    """A certificate and its key, in a directory whose name a shell would like to read."""
    directory = place / "it's $(id)"
    directory.mkdir(exist_ok=True)
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    words = [
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=x",
    ]
    command = ["openssl", "req", *words, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def test_key_and_certificate_that_belong_together(fakes: Fakes, tmp_path: Path) -> None:
    (cert, key), (_, other) = pair(tmp_path, "a"), pair(tmp_path, "b")
    check = shell.given(kamailio._CERTIFICATE, str(cert), str(key), "env", "kamailio")
    fakes.run(HOST, check)
    with pytest.raises(HostError, match=r"kamailio\.certificate_key: .*b\.key is not the key of .*a\.pem"):
        fakes.run(HOST, shell.given(kamailio._CERTIFICATE, str(cert), str(other), "", "kamailio"))
    with pytest.raises(HostError, match=r"kamailio\.certificate: kamailio finds no certificate in .*none"):
        fakes.run(HOST, shell.given(kamailio._CERTIFICATE, f"{cert}.none", str(key), "", "kamailio"))


def test_a_certificate_that_lies_there_is_told(fakes: Fakes, tmp_path: Path) -> None:
    cert, _ = pair(tmp_path, "a")
    cert.write_text(f"# request 0123\n{cert.read_text()}")
    said = dict(line.split(" ", 1) for line in fakes.run(HOST, shell.given(acme._LIES, str(cert))).splitlines())
    assert said["request"] == "0123"
    assert int(said["enddate"]) - int(said["startdate"]) == 2 * 86400
    assert abs(int(said["startdate"]) - time.time()) < 3600
    shown = ["openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in", str(cert)]
    fingerprint = subprocess.run(shown, check=True, capture_output=True, text=True).stdout
    assert said["is"] == fingerprint.strip().partition("=")[2].replace(":", "")
    assert fakes.run(HOST, shell.given(acme._LIES, str(tmp_path / "none"))) == ""


def test_why_there_is_no_other_is_one_line(fakes: Fakes) -> None:
    fakes.program("systemctl", 'case "$*" in *ActiveState*) echo failed ;; *) echo abcd ;; esac')
    fakes.program("journalctl", "echo 'Starting'; echo 'error: no such host'; echo 'Done'")
    assert fakes.run(HOST, shell.given(acme._WHY, "x.service")) == "error: no such host\n"
    assert fakes.calls[-1].startswith("journalctl _SYSTEMD_INVOCATION_ID=abcd ")
    fakes.program("systemctl", "echo inactive")
    assert fakes.run(HOST, shell.given(acme._WHY, "x.service")) == ""


def test_a_call_runs_as_nobody_and_without_the_environment(fakes: Fakes) -> None:
    fakes.program("systemd-run", 'printf "%s\\n" "$@"; exit 3')
    said = fakes.run(HOST, on_host._RUN, "/opt/probe", "30", "--json", "it's").splitlines()
    assert {"DynamicUser=yes", "RuntimeMaxSec=30", "WorkingDirectory=/opt/probe"} <= set(said)
    call = "env -i HOME=/tmp PATH=/usr/bin:/bin python3 -s -m livekit_metal.call --json"
    assert said[-10:] == [*call.split(), "it's"]
