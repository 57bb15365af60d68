"""A host whose edge has never served: with no ACME server to be had, and with one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.acme.conftest import Deployed, MakeSite
from tests.acme.served import served
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import Lab, over_ssh
from tests.support.programs.pebble import Pebble

NOBODY = "https://127.0.0.1:9/dir"


@pytest.fixture
def fresh(lab: Lab) -> str:
    """A host as it is before its edge's first start."""
    name = lab.site.with_role("livekit")[0]
    over_ssh(name).check_output(
        "systemctl stop livekit-edge livekit-acme.timer; rm -rf /etc/livekit-metal/edge /etc/livekit-metal/acme "
        "/var/lib/livekit-metal/acme"
    )
    return name


def test_without_a_certificate_to_go_on_with_a_deploy_fails_and_says_why(
    lab: Lab, pebble: Pebble, fresh: str, tmp_path: Path, deployed: MakeSite
) -> None:
    settings = {"email": "ops@example.org", "directory": NOBODY, "ca_file": str(pebble.trusted)}
    said = deploy(variant(tmp_path, {"edge": {"tls": "acme"}, "acme": settings}))
    assert said.status != 0
    assert f"no certificate from {NOBODY}" in said.text
    assert "connection refused" in said.text
    assert "what is served instead: it is not for" in said.text
    at = lab.site.hosts[fresh].public_address
    shown = subprocess.run(
        ["openssl", "s_client", "-connect", f"{at}:443"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "subject=CN = no certificate yet" in shown.stdout, "and HAProxy runs, or nothing could answer the challenge"
    after = deployed()
    assert f"get a certificate from {pebble.directory}" in after.told.text
    assert served(after.site, fresh, lab.site.edge.domain, pebble.root)


def test_a_fresh_host_is_served_by_the_end_of_its_first_deploy(
    acme: Deployed, deployed: MakeSite, pebble: Pebble, fresh: str
) -> None:
    said = deployed().told.text
    assert "something to serve until there is a certificate" in said
    assert served(acme.site, fresh, acme.site.edge.domain, pebble.root)
