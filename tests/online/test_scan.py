"""TLS judged by somebody else's scanner (testssl.sh), by each name that clients ask for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.hosts.lab import Lab, lab

FIRST = lab().site.with_role("livekit")[0]
NAMES = {"signalling": lab().site.edge.domain, "TURN": lab().site.livekit.turn.name(FIRST)}
# By the scanner's own names. What it must have found, or it has not looked:
REFUSED = {
    *("SSLv2", "SSLv3", "TLS1", "TLS1_1"),
    *(f"cipherlist_{kind}" for kind in ("NULL", "aNULL", "EXPORT", "LOW", "3DES_IDEA", "AVERAGE")),
}
OFFERED = {"TLS1_2": "offered", "TLS1_3": "offered with final", "cipherlist_STRONG": "offered"}
CERTIFICATE = {"cert_chain_of_trust": "passed.", "certs_list_ordering_problem": "no"}
FAULTS = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
# Faults by its rules, and why they are none here.
MEANT = {"cert_revocation": "a CA of the site's own has no list of revoked certificates"}

Scan = Mapping[str, tuple[str, str]]  # the scanner's name for a check -> severity, finding

pytestmark = pytest.mark.skipif(not lab().site.edge.encrypted, reason="the site serves no TLS")


@pytest.fixture
def scan(lab: Lab, tmp_path: Path, what: str) -> Scan:
    """What the scanner found under a name of the first host."""
    name, file = NAMES[what], tmp_path / "found.json"
    if not name:
        pytest.skip("the site has no such name")
    trust = ["--add-ca", lab.access["ca_file"]] if lab.access["ca_file"] else []
    # one program serves both names: what may be wrong with its version is asked once
    checks = ["--protocols", "--standard", "--server-defaults", *(["--vulnerable"] if what == "signalling" else [])]
    quiet = ["--warnings", "batch", "--nodns", "none", "--color", "0", "--jsonfile", str(file)]
    at = ["--ip", lab.site.hosts[FIRST].public_address, f"{name}:{lab.site.edge.https}"]
    command = ["testssl", *checks, *trust, *quiet, *at]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    assert file.exists(), done.stdout + done.stderr
    return {each["id"]: (each["severity"], each["finding"]) for each in json.loads(file.read_text())}


@pytest.mark.parametrize("what", NAMES)
def test_a_scanner_finds_nothing_weak(scan: Scan) -> None:
    assert {each: scan[each][1] for each in REFUSED} == dict.fromkeys(REFUSED, "not offered")
    assert {each: scan[each][1] for each in OFFERED} == OFFERED
    assert {each: scan[each][1] for each in CERTIFICATE} == CERTIFICATE
    assert scan["cert_trust"][1].startswith("Ok via SAN"), scan["cert_trust"]
    assert {each: told for each, told in scan.items() if told[0] in FAULTS and each not in MEANT} == {}
