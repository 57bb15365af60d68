"""SIP over TLS: a call, and a certificate that is renewed while calls go on."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from testinfra.host import Host

from livekit_metal.call.access import Access
from tests.sip.conftest import up
from tests.sip.phone import Phone
from tests.sip.secure import Secure
from tests.sip.slots import shown
from tests.support.hosts.deploys import deploy, unchanging, variant
from tests.support.hosts.lab import Lab

Ring = Callable[..., Phone]
DIRECTORY = "/etc/ssl/lab-sip"  # on the host


@pytest.fixture(autouse=True)
def mended(first: Host) -> Iterator[None]:
    yield
    assert deploy().status == 0
    first.check_output(f"rm -rf {DIRECTORY}")


def certificate(first: Host, address: str, directory: Path) -> tuple[Path, int]:
    """Put a new key and a certificate that signs itself on the host; the certificate, to trust, and its serial."""
    key, serial = ec.generate_private_key(ec.SECP256R1()), x509.random_serial_number()
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")]), datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    first.check_output(f"install -d -m 750 -g kamailio {DIRECTORY}")
    for file, text in (("cert.pem", pem), ("key.pem", secret)):
        first.check_output(
            f"umask 027; printf %%s %s > {DIRECTORY}/{file}; chgrp kamailio {DIRECTORY}/{file}", text.decode()
        )
    trusted = directory / f"{serial}.pem"
    trusted.write_bytes(pem)
    return trusted, serial


def test_a_certificate_is_renewed_and_no_call_notices(
    first: Host, lab: Lab, access: Access, *, phone: Ring, tmp_path: Path
) -> None:
    site, gateway = lab.site, lab.facts["gateway"]
    kamailio = site.for_host(site.with_role("sip")[0]).kamailio
    assert kamailio
    address, port = kamailio.address, kamailio.tls_port.first
    trusted, serial = certificate(first, address, tmp_path)
    files = {"certificate": f"{DIRECTORY}/cert.pem", "certificate_key": f"{DIRECTORY}/key.pem"}
    inventory = variant(tmp_path, {"kamailio": files})
    told = deploy(inventory)
    assert told.status == 0, told.text
    unchanging(inventory)
    pid = shown(first, "livekit-kamailio.service", "MainPID")

    async def scenario() -> None:
        async with up(access, one := phone(hold=150), "hotline"):
            old = await asyncio.to_thread(Secure, address, port, trusted, local=gateway)
            assert old.serial == serial
            assert await asyncio.to_thread(old.call, "+15550100", 26010) == 200  # beside `one`: somebody is there
            renewed, next_serial = certificate(first, address, tmp_path)
            told = await asyncio.to_thread(deploy, inventory)
            assert told.status == 0, told.text
            assert "kamailio re-read" in told.text, told.text
            new = await asyncio.to_thread(Secure, address, port, renewed, local=gateway)
            assert new.serial == next_serial
            assert await asyncio.to_thread(new.options) == 200
            assert await asyncio.to_thread(old.hang_up) == 200, "its connection and its call went on"
            assert one.heard() == ["answered"]
            old.close()
            new.close()

    asyncio.run(scenario())
    unchanging(inventory)
    first.check_output(f": > {DIRECTORY}/cert.pem")
    assert deploy(inventory).status != 0, "a certificate that is none is not taken"
    assert shown(first, "livekit-kamailio.service", "MainPID") == pid


@pytest.mark.long
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (f"chmod 600 {DIRECTORY}/key.pem", f"kamailio finds no key in {DIRECTORY}/key.pem"),
        (f": > {DIRECTORY}/cert.pem", f"kamailio finds no certificate in {DIRECTORY}/cert.pem"),
        (
            f"openssl genpkey -algorithm ed25519 -out {DIRECTORY}/key.pem 2>/dev/null; chmod 644 {DIRECTORY}/key.pem",
            f"{DIRECTORY}/key.pem is not the key of {DIRECTORY}/cert.pem",
        ),
    ],
    ids=["unreadable", "empty", "another key"],
)
def test_a_certificate_that_would_not_do_is_refused_and_kamailio_stays(
    first: Host, lab: Lab, tmp_path: Path, spoil: str, said: str
) -> None:
    site = lab.site
    certificate(first, site.hosts[site.with_role("sip")[0]].address, tmp_path)
    first.check_output(spoil)
    pid = shown(first, "livekit-kamailio.service", "MainPID")
    files = {"certificate": f"{DIRECTORY}/cert.pem", "certificate_key": f"{DIRECTORY}/key.pem"}
    told = deploy(variant(tmp_path, {"kamailio": files}))
    assert told.status != 0
    assert said in told.text, told.text
    assert shown(first, "livekit-kamailio.service", "MainPID") == pid
