"""Another certificate under a running call: new clients get it, nobody who talks notices."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.join_info import where
from tests.support.calls.background_call import talking
from tests.support.calls.slots import serving
from tests.support.calls.turn import Client, told
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import INVENTORY, ROOT, Lab, lab
from tests.support.programs.openssl import issued

FIRST = lab().site.with_role("livekit")[0]

pytestmark = pytest.mark.skipif(lab().site.edge.tls != "internal", reason="the site has no CA of its own")


@pytest.fixture
def another(tmp_path: Path, lab: Lab) -> Iterator[Path]:
    """The site with certificates of another life; its own come back in the end."""
    yield variant(tmp_path, {"edge": {"certificate_days": lab.site.edge.certificate_days - 1}})
    assert deploy().status == 0


@contextlib.contextmanager
def turn_over_tls(access: Access, lab: Lab) -> Iterator[Client]:
    """A client of TURN over TLS on 443 with a relay of its own."""
    servers, address = told(access), lab.site.hosts[FIRST].public_address
    trusted, name = ssl.create_default_context(cafile=lab.access["ca_file"]), lab.site.livekit.turn.name(FIRST)
    with (
        socket.create_connection((address, 443), timeout=5) as plain,
        trusted.wrap_socket(plain, server_hostname=name) as link,
    ):
        client = Client(link, servers.username, servers.credential)
        assert not isinstance(client.allocate(), int)
        yield client


def served(lab: Lab) -> str:
    """The certificate that a client who connects now gets."""
    return ssl.get_server_certificate((lab.site.hosts[FIRST].public_address, lab.site.edge.https.first))


def test_another_certificate_under_a_call_drops_nothing(
    access: Access, control: Access, lab: Lab, another: Path
) -> None:
    before, slot = served(lab), serving(lab.site, FIRST)
    with talking(access, control, slot.node, FIRST) as talk:
        said = deploy(another)
        assert said.status == 0, said.text
        assert served(lab) != before
        assert serving(lab.site, FIRST) == slot, "a certificate needs no other slot"
        assert asyncio.run(where(access, "new-client")).id, "whoever comes now gets in"
        talk.unnoticed()


def test_a_relay_over_tls_outlives_the_certificate_that_it_began_with(access: Access, lab: Lab, another: Path) -> None:
    if not lab.site.livekit.turn.domain:
        pytest.skip("the site has TURN over UDP only")
    before = served(lab)
    with turn_over_tls(access, lab) as client:
        said = deploy(another)
        assert said.status == 0, said.text
        assert served(lab) != before
        assert client.permission(lab.site.hosts[FIRST].public_address) == 0, "the same relay on the same connection"


def test_a_certificate_of_another_ca_is_served_with_what_leads_to_it(access: Access, lab: Lab, tmp_path: Path) -> None:
    """RSA, and a CA between it and the root, as most that are bought."""
    site = lab.site
    names = [name for name in (site.edge.domain, site.livekit.turn.name(FIRST)) if name]
    pair = issued(tmp_path, *names)
    mine = {"tls": "provided", "certificate": str(pair.certificate), "key": str(pair.key)}
    try:
        said = deploy(variant(tmp_path, {"edge": mine}))
        assert said.status == 0, said.text
        assert "the certificate ends on" not in said.text
        trusted = ssl.create_default_context(cafile=str(pair.root))
        for name in names:
            with (
                socket.create_connection((site.hosts[FIRST].public_address, 443), timeout=5) as plain,
                trusted.wrap_socket(plain, server_hostname=name) as link,
            ):
                assert link.version() == "TLSv1.3"
    finally:
        assert deploy().status == 0


def secrets_verb(*words: str) -> None:
    """A verb of ``procedures.secrets`` on the lab's own."""
    command = [sys.executable, "-m", "procedures.secrets", INVENTORY, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_another_ca_under_a_call_refuses_no_client(access: Access, control: Access, lab: Lab, tmp_path: Path) -> None:
    """Whoever has the file of between gets in before edges change and after; the call goes on."""
    file, both = Path(lab.access["ca_file"]), tmp_path / "both.pem"
    secrets_verb("rotate", "ca")
    both.write_text(file.read_text())
    client = dataclasses.replace(access, ca_file=str(both))
    before = served(lab)
    with talking(access, control, serving(lab.site, FIRST).node, FIRST) as talk:
        assert asyncio.run(where(client, "between")).id
        secrets_verb("retire", "ca")
        said = deploy()
        assert said.status == 0, said.text
        assert "still has the previous CA" in said.text
        assert served(lab) != before
        assert asyncio.run(where(client, "after")).id
        secrets_verb("retire", "ca")
        assert asyncio.run(where(access, "new-file")).id
        assert deploy().status == 0
        talk.unnoticed()
    assert file.read_text().count("BEGIN CERTIFICATE") == 1
