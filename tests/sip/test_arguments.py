"""No secret is an argument of any program: every account of a host can read those (ps)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from livekit_metal.site import inventory
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import INVENTORY, ROOT
from tests.support.values import arguments

OUT = {"address": "sip.example.org", "user": "us", "numbers": ["+15550190"]}
TRUNK = {"networks": ["192.0.2.8/29"], "numbers": ["+15550191"], "user": "caller", "outbound": OUT}
RULE = {"trunks": ["login"], "room_prefix": "pin-", "pin": True}
SECRETS = {
    "sip-login": "Trunk-secret-with-'quotes'-0815",
    "sip-login-outbound": "Outbound/secret+of=ours-4711",
    "sip-rule-pin": "8275934160",
}


def secrets(file: Path | str, *words: str, stdin: str = "") -> None:
    command = [sys.executable, "-m", "procedures.secrets", str(file), *words]
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_program_gets_a_secret_as_an_argument(tmp_path: Path) -> None:
    """Through a change with trunks and a PIN, a rotation of Redis' password, and the removal of both."""
    if lacks := arguments.missing():
        pytest.skip(lacks)
    changed = variant(tmp_path, {"sip": {"trunks": {"login": TRUNK}, "rules": {"pin": RULE}}})
    with arguments.recorded(tmp_path) as lists:
        for name, value in SECRETS.items():
            secrets(changed, "set", name, stdin=f"{value}\n")
        secrets(changed, "rotate", "redis")
        told = deploy(changed)
        assert told.status == 0, told.text
        vault = inventory.read(changed).vault
        assert vault
        values = {*vault.every_value(), *SECRETS.values()}
        secrets(INVENTORY, "retire", "redis")
        told = deploy()
        assert told.status == 0, told.text
    assert any(each[0].endswith("curl") for each in lists), "what runs on the hosts is in it"
    assert any(Path(each[0]).name.startswith("python") for each in lists), "and what runs here"
    found = arguments.showing(lists, values)
    # ingress 1.5.0 hands its handlers their secrets so (docs/operations/streams.md: process_list)
    assert [each for each in found if "run-handler" not in each] == []
