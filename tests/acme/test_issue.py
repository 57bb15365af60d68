"""Certificates from a real ACME server: each host its own, whichever host the server asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.acme.conftest import Deployed
from tests.acme.served import keys_on, names_of, served
from tests.support.hosts.deploys import unchanging
from tests.support.hosts.lab import ROOT, over_ssh
from tests.support.programs.pebble import Pebble

LAYER = [f"tests/host/edge/test_{name}.py" for name in ("acme", "tls", "edge")]


def test_every_name_of_every_host_is_certified_with_a_key_that_no_other_host_has(
    acme: Deployed, pebble: Pebble
) -> None:
    """Pebble asks the last host about the site's name: the others' orders are answered by one that knows of none."""
    site = acme.site
    found = {host: {served(site, host, n, pebble.root) for n in names_of(site, host)} for host in site.hosts}
    for host, certificates in found.items():
        (one,) = certificates
        assert one.names == set(names_of(site, host))
        assert one.public in keys_on(host)
        others = {key: file for each in site.hosts if each != host for key, file in keys_on(each).items()}
        assert one.public not in others, others.get(one.public)
    asked = pebble.log.read_text().count(f"validate w/ HTTP: http://{site.edge.domain}")
    assert asked >= len(site.hosts), "else nothing was asked"


def test_a_second_deploy_changes_nothing(acme: Deployed) -> None:
    unchanging(acme.inventory)


def test_port_80_answers_challenges_and_leads_to_https_and_does_nothing_else(acme: Deployed) -> None:
    for at in acme.site.hosts.values():
        url = f"http://{at.public_address}/.well-known/acme-challenge"
        assert curl(f"{url}/Token_-1") == f"200 Token_-1.{acme.site.acme.thumbprint}"
        for path in ("", "/", "/a/b", "/a/", "/<b>", "/%3Cb%3E"):
            assert curl(f"{url}{path}").startswith("308"), path


def curl(url: str) -> str:
    command = ["curl", "-sS", "-m", "5", "--noproxy", "*", "--path-as-is", "-w", "%{stderr}%{http_code} ", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stderr + done.stdout


def test_hosts_are_as_the_site_says(acme: Deployed) -> None:
    """The host layer, with this site."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *LAYER]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"INVENTORY": str(acme.inventory)},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)  # pytest -rP
    assert done.returncode == 0, done.stdout


def test_no_secret_is_where_everybody_reads(acme: Deployed) -> None:
    """Not in the journal, and not in what systemd tells of the unit."""
    key = (
        next(iter(acme.site.acme.account.reveal().splitlines()[1:])) if acme.site.acme.account else pytest.fail("none")
    )
    for host in acme.site.hosts:
        look = "journalctl -u livekit-acme --no-pager; systemctl show livekit-acme; systemctl cat livekit-acme"
        said = over_ssh(host).check_output(look)
        assert key not in said
        assert "PRIVATE KEY" not in said
