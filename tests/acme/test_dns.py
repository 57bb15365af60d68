"""The challenge by a record in the DNS, which a program of the operator's writes; that is how wildcards are had."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acme.conftest import MakeSite
from tests.acme.served import names_of, served
from tests.acme.test_issue import curl
from tests.support.hosts.deploys import deploy, unchanging, variant
from tests.support.hosts.lab import ROOT, Lab, over_ssh
from tests.support.programs.pebble import Pebble

WORD = f"DNS_WORD_{secrets.token_hex(4)}"  # the lab's secrets may have that of an earlier run
HOOK = """#!/bin/sh
# the name servers of the tests take a record from who knows the word
[ "$WORD" = 'two words' ] || { echo "no word" >&2; exit 1; }
case $1 in
  present) exec curl -fsS -d "{\\"host\\": \\"$2\\", \\"value\\": \\"$3\\"}" "$DNS_URL/set-txt" ;;
  cleanup) exec curl -fsS -d "{\\"host\\": \\"$2\\"}" "$DNS_URL/clear-txt" ;;
esac
""".replace("WORD", WORD)


@pytest.fixture
def by_record(lab: Lab, pebble: Pebble, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "hook").write_text(HOOK)
    return {
        "challenge": "dns",
        "dns_provider": "exec",
        "dns_hook": str(tmp_path / "hook"),
        "dns_wait": False,
        "environment": {"DNS_URL": pebble.names, "EXEC_SEQUENCE_INTERVAL": "1"},  # s from one record to the next
        "secrets": [WORD],
        "names": [lab.site.edge.domain, "*.turn.test"],
        "email": "ops@example.org",
        "directory": pebble.directory,
        "ca_file": str(pebble.trusted),
    }


def test_a_record_gets_a_wildcard(
    lab: Lab, deployed: MakeSite, pebble: Pebble, by_record: dict[str, Any], tmp_path: Path
) -> None:
    file = variant(tmp_path, {"edge": {"tls": "acme"}, "acme": by_record})
    said = deploy(file)
    said.refused("acme.secrets", f"acme-{WORD}", "procedures.secrets")
    assert "nothing was changed" in said.text
    keep = [sys.executable, "-m", "procedures.secrets", str(file), "set", f"acme-{WORD}"]
    subprocess.run(keep, cwd=ROOT, input="two words", text=True, check=True, capture_output=True)
    there = deployed(**by_record)
    keys = set()
    for host, at in there.site.hosts.items():
        for name in names_of(there.site, host):
            found = served(there.site, host, name, pebble.root)
            assert found.names == {lab.site.edge.domain, "*.turn.test"}
            keys.add(found.public)
        url = f"http://{at.public_address}/.well-known/acme-challenge/x"
        assert curl(url).startswith("308"), "nobody asks over HTTP, so nobody is answered"
        said = over_ssh(host).check_output("journalctl -u livekit-acme --no-pager; systemctl show livekit-acme")
        assert "two words" not in said
    assert len(keys) == len(there.site.hosts)
    unchanging(there.inventory)
