"""TLS as a deployed edge speaks it, seen from this machine with OpenSSL and curl."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from livekit_metal.roles.edge.settings import Settings
from livekit_metal.site.model import HostStack
from livekit_metal.vault.certificate import DAY
from tests.support.hosts.lab import Lab

AEAD = ("GCM", "CHACHA20", "CCM")


@pytest.fixture
def edge(stack: HostStack) -> Settings:
    if stack.edge is None or not stack.edge.encrypted:
        pytest.skip(f"{stack.host} serves no TLS in this site")
    return stack.edge


@pytest.fixture
def address(lab: Lab, host_name: str) -> str:
    return lab.site.hosts[host_name].public_address


@pytest.fixture
def trust(lab: Lab) -> list[str]:
    """What makes curl trust the site as its clients are told to."""
    return ["--cacert", str(lab.site.ca_file)] if lab.site.ca_file else []


def shaken(address: str, edge: Settings, *words: str) -> bool:
    """Whether the host agrees to a handshake of OpenSSL's client with these arguments."""
    command = ["openssl", "s_client", "-connect", f"{address}:{edge.https}", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=20)
    return "Cipher is (NONE)" not in done.stdout and "BEGIN CERTIFICATE" in done.stdout


def curl(*words: str) -> str:
    done = subprocess.run(
        ["curl", "-sS", "-m", "5", "--noproxy", "*", *words], capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else f"curl: {done.returncode}"


def names(edge: Settings) -> Iterator[str]:
    yield from filter(None, (edge.domain, *edge.names))


def test_clients_that_trust_the_ca_get_in_by_name_and_nobody_else_does(
    edge: Settings, address: str, trust: list[str]
) -> None:
    for name in names(edge):
        to = ["--resolve", f"{name}:{edge.https}:{address}", f"https://{name}:{edge.https}/"]
        assert curl(*trust, *to) == "OK", name
        if trust:
            assert curl(*to) == "curl: 60", "whoever does not know the CA is warned"
    other = ["--resolve", f"other.example:{edge.https}:{address}", f"https://other.example:{edge.https}/"]
    assert curl(*trust, *other) == "curl: 60"


def test_plain_http_leads_to_https(edge: Settings, address: str) -> None:
    said = curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"http://{address}:{edge.redirect}/x?y")
    suffix = "" if edge.https.first == 443 else f":{edge.https}"
    assert said == f"308 https://{address}{suffix}/x?y"


def test_browsers_are_told_to_stay_with_tls_if_the_site_says_so(edge: Settings, address: str, trust: list[str]) -> None:
    headers = curl("-k", "-o", "/dev/null", "-D", "-", f"https://{address}:{edge.https}/").lower()
    assert ("strict-transport-security: max-age=" in headers) == bool(edge.hsts_days)


@pytest.mark.parametrize("version", ["-ssl3", "-tls1", "-tls1_1"])
def test_old_protocols_are_refused(edge: Settings, address: str, version: str) -> None:
    assert not shaken(address, edge, version, "-cipher", "ALL:@SECLEVEL=0")


def test_no_cipher_without_aead_is_taken(edge: Settings, address: str) -> None:
    command = ["openssl", "ciphers", "-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().split(":")
    weak = [c for c in known if not any(word in c for word in AEAD) or not c.startswith(("ECDHE", "DHE", "TLS_"))]
    assert len(weak) > 30, "else there was little to refuse"
    assert not shaken(address, edge, "-tls1_2", "-cipher", f"{':'.join(weak)}:@SECLEVEL=0")
    assert shaken(address, edge, "-tls1_2")
    assert shaken(address, edge, "-tls1_3")


def test_the_end_of_the_certificate_that_clients_get_is_a_metric(host: Host, edge: Settings, address: str) -> None:
    if not edge.monitored:
        pytest.skip("no metrics without a Prometheus")
    pem = ssl.get_server_certificate((address, edge.https.first))
    command = ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601"]
    said = subprocess.run(command, input=pem, capture_output=True, text=True, check=True).stdout.strip()
    ends = time.strptime(said.removeprefix("notAfter="), "%Y-%m-%d %H:%M:%SZ")
    url = f"http://{edge.endpoints['metrics']}/certificate"
    found = [line.split()[1] for line in host.check_output("curl -s %s", url).splitlines() if not line.startswith("#")]
    assert [int(n) for n in found] == [int(time.mktime(ends) - time.timezone)]
    assert int(found[0]) > time.time() + DAY


def test_only_root_and_haproxy_read_the_key(host: Host, edge: Settings) -> None:
    found = host.check_output("grep -lr -e '-----BEGIN .*PRIVATE KEY' %s || :", edge.config_root).splitlines()
    account = f"{edge.config_root}/acme/account.pem"  # of ACME; it is not a key of a certificate
    assert [path for path in found if path != account] == [edge.certificate_file]
    file = host.file(edge.certificate_file)
    assert (file.mode, file.user, file.group) == (0o640, "root", "haproxy")


def test_no_key_of_the_ca_is_on_the_host(host: Host, edge: Settings, lab: Lab) -> None:
    if not lab.site.ca_file:
        pytest.skip("the site has no CA of its own")
    public = ["openssl", "x509", "-noout", "-pubkey", "-in", str(lab.site.ca_file)]
    theirs = subprocess.run(public, capture_output=True, text=True, check=True).stdout
    assert theirs
    assert host.check_output("openssl pkey -pubout -in %s", edge.certificate_file).strip() != theirs.strip()
