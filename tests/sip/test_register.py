"""A carrier that wants to be registered with: Kamailio does it, and again when its password changes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.sip.slots import shown
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import INVENTORY, ROOT, Lab

_SCENARIO = (Path(__file__).parent / "register.xml").read_text()
PORT = 15999


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    yield
    assert deploy().status == 0


class Registrar:
    """sipp as a registrar on this machine that knows one password."""

    def __init__(self, directory: Path, address: str, password: str) -> None:
        scenario, self._log = directory / f"{password}.xml", directory / f"{password}.log"
        scenario.write_text(_SCENARIO.replace("[password]", password))
        quiet = subprocess.DEVNULL
        command = ["sipp", "-sf", str(scenario), "-i", address, "-p", str(PORT), "-nostdin", "-trace_logs"]
        self._process = subprocess.Popen(
            [*command, "-log_file", str(self._log)], cwd=directory, stdin=quiet, stdout=quiet, stderr=quiet
        )

    def said(self, word: str, within: float = 40) -> str:
        """Wait until it said ``word``; all that it said."""
        end = time.monotonic() + within
        while word not in (text := self._log.read_text() if self._log.exists() else ""):
            assert time.monotonic() < end, f"not {word!r}, but: {text or 'nothing'}"
            assert self._process.poll() is None, "the registrar does not run"
            time.sleep(0.3)
        return text

    def end(self) -> None:
        self._process.kill()
        self._process.wait(5)


def store(password: str) -> None:
    command = [".venv/bin/python", "-m", "procedures.secrets", INVENTORY, "set", "sip-carrier-register"]
    subprocess.run(command, cwd=ROOT, input=password, text=True, check=True, capture_output=True)


def test_it_registers_and_takes_another_password_without_a_restart(first: Host, lab: Lab, tmp_path: Path) -> None:
    gateway = lab.facts["gateway"]
    to = {"registrar": f"{gateway}:{PORT}", "domain": "carrier.test", "user": "4930"}
    inventory = variant(tmp_path, {"sip": {"trunks": {"carrier": {"register": to}}}})
    store("first:word")
    registrar = Registrar(tmp_path, gateway, "first:word")
    try:
        assert deploy(inventory).status == 0
        said = registrar.said("registered")
        host = lab.site.hosts[lab.site.with_role("sip")[0]]
        assert f"<sip:carrier@{host.address}:" in said, "the carrier finds us where Kamailio is"
    finally:
        registrar.end()
    pid = shown(first, "livekit-kamailio.service", "MainPID")
    store("pass-4711")
    registrar = Registrar(tmp_path, gateway, "pass-4711")
    try:
        assert deploy(inventory).status == 0
        registrar.said("registered")
    finally:
        registrar.end()
    assert shown(first, "livekit-kamailio.service", "MainPID") == pid
    assert "pass-4711" not in first.check_output("journalctl -u livekit-kamailio --no-pager -o cat")
