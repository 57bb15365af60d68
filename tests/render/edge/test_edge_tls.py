"""TLS at the edge: a real HAProxy with a certificate of the site's own CA, asked by OpenSSL and by Python's clients."""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livekit_metal.runtime.slots import active_slot
from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import Certificate
from tests.render.edge.edge_rig import THUMBPRINT, Edge, free_ports, get, websocket
from tests.render.edge.edges import edges
from tests.render.edge.fake_slot import FakeSlot
from tests.render.edge.run_here import run_here

NAME = "lk.example.org"
# TLS 1.2 with forward secrecy and authenticated encryption, by OpenSSL's names (RFC 9325, 4.2): all that may be taken.
STRONG = re.compile(r"ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)")


@pytest.fixture(scope="module")
def ca() -> Certificate:
    return certificates.authority("tls-ca", "test", time.time())


@pytest.fixture(scope="module")
def trusted(ca: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca.chain)


def leaf(ca: Certificate, days: int = 90) -> Certificate:
    return certificates.leaf(ca, "tls-lk1", (NAME, "127.0.0.1"), days, time.time())


@pytest.fixture
def make_edge(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch, ca: Certificate
) -> Iterator[Callable[..., Edge]]:
    """Makes an edge whose active slot is a."""
    monkeypatch.setattr(active_slot, "run", run_here)
    slot = FakeSlot("a", free_ports(1)[0])
    slot.start()
    given = {"tls": "internal", "served": leaf(ca), "hsts_days": 2}
    with edges(program("haproxy", "haproxy"), tmp_path, slot) as make:
        yield lambda **settings: make(**(given | settings))
    slot.stop()


@pytest.fixture
def edge(make_edge: Callable[..., Edge]) -> Edge:
    return make_edge()


def secure(edge: Edge, trusted: ssl.SSLContext, path: str = "/x", **headers: str) -> http.client.HTTPResponse:
    """The answer to a request of a client that trusts the CA and asks for the site's name."""
    link = trusted.wrap_socket(socket.create_connection(("127.0.0.1", edge.https), timeout=10), server_hostname=NAME)
    connection = http.client.HTTPConnection(NAME)
    connection.sock = link
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def shaken(edge: Edge, *words: str) -> bool:
    """Whether HAProxy agrees to a handshake of OpenSSL's client with these arguments."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{edge.https}", "-servername", NAME, *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=10)
    return "Cipher is (NONE)" not in done.stdout and "BEGIN CERTIFICATE" in done.stdout


def serial(edge: Edge, trusted: ssl.SSLContext) -> str:
    with (
        socket.create_connection(("127.0.0.1", edge.https), timeout=10) as plain,
        trusted.wrap_socket(plain, server_hostname=NAME) as link,
    ):
        found = link.getpeercert()
    assert found
    return str(found["serialNumber"])


def test_a_request_over_tls_reaches_the_active_slot_with_the_clients_address(
    edge: Edge, trusted: ssl.SSLContext
) -> None:
    answer = secure(edge, trusted, **{"X-Forwarded-For": "192.0.2.66", "CF-Connecting-IP": "192.0.2.66"})
    said = json.loads(answer.read())
    assert (answer.status, said["slot"]) == (200, "a")
    assert {k.lower(): v for k, v in said["headers"].items()}["x-forwarded-for"] == "127.0.0.1"
    assert "192.0.2.66" not in str(said)
    assert answer.headers["Strict-Transport-Security"] == "max-age=172800"


def test_who_asks_for_no_name_gets_signalling_too(edge: Edge, trusted: ssl.SSLContext) -> None:
    """As a client that uses the host's address does."""
    connection = http.client.HTTPSConnection("127.0.0.1", edge.https, context=trusted, timeout=10)
    connection.request("GET", "/x")
    assert json.loads(connection.getresponse().read())["slot"] == "a"
    connection.close()


def test_the_host_itself_needs_no_tls(edge: Edge) -> None:
    assert json.loads(get(edge.http)[1])["slot"] == "a"


def test_plain_http_only_leads_to_https(edge: Edge) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", edge.redirect, timeout=10)
    connection.request("POST", "/twirp/x?y=1", headers={"Host": f"{NAME}:80"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, f"https://{NAME}:{edge.https}/twirp/x?y=1")
    connection.close()
    assert get(edge.redirect, "/.well-known/acme-challenge/token")[0] == 308


def test_what_is_no_tls_is_dropped(edge: Edge) -> None:
    with socket.create_connection(("127.0.0.1", edge.https), timeout=10) as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(100) == b""


@pytest.mark.parametrize("version", ["-ssl3", "-tls1", "-tls1_1"])
def test_old_protocols_are_refused(edge: Edge, version: str) -> None:
    assert not shaken(edge, version, "-cipher", "ALL:@SECLEVEL=0")


def test_of_tls_1_2_only_ciphers_with_aead_and_forward_secrecy_are_taken(edge: Edge) -> None:
    command = ["openssl", "ciphers", "-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().split(":")
    old = [cipher for cipher in known if not cipher.startswith("TLS_")]
    taken = {c for c in old if shaken(edge, "-tls1_2", "-cipher", f"{c}:@SECLEVEL=0")}
    assert len(old) > 50, "else there was little to refuse"
    assert taken == {c for c in old if STRONG.fullmatch(c) and "RSA" not in c}, "the certificate's key is ECDSA"


def test_tls_1_3_is_taken(edge: Edge) -> None:
    assert shaken(edge, "-tls1_3")


def test_nothing_but_http_1_1_is_agreed_on(edge: Edge, ca: Certificate) -> None:
    """A WebSocket of LiveKit needs it."""
    offering = ssl.create_default_context(cadata=ca.chain)
    offering.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", edge.https), timeout=10) as plain,
        offering.wrap_socket(plain, server_hostname=NAME) as link,
    ):
        assert link.selected_alpn_protocol() == "http/1.1"


def test_a_new_certificate_leaves_websockets_where_they_are(
    edge: Edge, trusted: ssl.SSLContext, ca: Certificate
) -> None:
    before = serial(edge, trusted)
    with websocket(edge.https, trusted, NAME) as say:
        assert say("1") == "a:1"
        edge.reload(served=leaf(ca, days=60), description="second")
        assert say("2") == "a:2"
        assert serial(edge, trusted) != before
        edge.reload(served=leaf(ca, days=70), description="third")
        assert say("3") == "a:3"


def test_the_end_of_the_certificate_is_a_metric(edge: Edge, trusted: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("127.0.0.1", edge.https), timeout=10) as plain,
        trusted.wrap_socket(plain, server_hostname=NAME) as link,
    ):
        found = link.getpeercert()
    assert found
    ends = ssl.cert_time_to_seconds(str(found["notAfter"]))
    status, said = get(edge.metrics, "/certificate")
    assert status == 200
    assert f"\nlivekit_edge_certificate_not_after_timestamp_seconds {ends}\n" in said


def test_a_challenge_is_answered_for_whoever_ordered_it(make_edge: Callable[..., Edge], ca: Certificate) -> None:
    """RFC 8555, 8.3; the token is the CA's, what follows it is the same on every host of the site."""
    edge = make_edge(tls="acme", served=None, got=leaf(ca))
    place = "/.well-known/acme-challenge/"
    assert get(edge.redirect, f"{place}To_k-en") == (200, f"To_k-en.{THUMBPRINT}")
    for other in (place, place[:-1], f"{place}a/b", f"{place}a/", f"/x{place}a", "/", f"{place}<b>", f"{place}%3Cb"):
        assert get(edge.redirect, other)[0] == 308, other


def test_a_certificate_that_the_host_got_is_served_and_another_one_after_a_reload(
    make_edge: Callable[..., Edge], ca: Certificate, trusted: ssl.SSLContext
) -> None:
    """The configuration is the same: it is the file that changes. HAProxy says which one it has."""
    edge = make_edge(tls="acme", served=None, got=leaf(ca, days=90))
    assert edge.got
    assert get(edge.metrics, "/certificate")[1].endswith(f"_seconds {edge.got.not_after}\n")
    before, said = serial(edge, trusted), edge.tell(f"show ssl cert {edge.settings.certificate_file}")
    with websocket(edge.https, trusted, NAME) as say:
        assert say("one") == "a:one"
        edge.got = leaf(ca, days=80)
        edge.reload(description="second")
        assert serial(edge, trusted) != before
        assert say("two") == "a:two", "whoever is there stays"
    assert get(edge.metrics, "/certificate")[1].endswith(f"_seconds {edge.got.not_after}\n")
    assert "SHA1 FingerPrint: " in said
    assert edge.tell(f"show ssl cert {edge.settings.certificate_file}") != said


def test_one_address_cannot_take_every_connection(make_edge: Callable[..., Edge], trusted: ssl.SSLContext) -> None:
    edge = make_edge(max_per_address=3)
    held = [socket.create_connection(("127.0.0.1", edge.https), timeout=10) for _ in range(3)]
    edge.until(lambda: "conn_cur=3" in edge.tell("show table https"))
    with (
        pytest.raises((ssl.SSLError, OSError)),
        socket.create_connection(("127.0.0.1", edge.https), timeout=10) as plain,
    ):
        trusted.wrap_socket(plain, server_hostname=NAME)
    for each in held:
        each.close()
    edge.until(lambda: "conn_cur=3" not in edge.tell("show table https"))
    assert secure(edge, trusted).status == 200


def test_a_key_that_does_not_fit_never_gets_into_force(edge: Edge, ca: Certificate, trusted: ssl.SSLContext) -> None:
    """HAProxy's own word on the pair, before a reload: as the deploy asks it."""
    broken = dataclasses.replace(leaf(ca), key=leaf(ca).key)
    other = dataclasses.replace(edge.settings, served=broken)
    Path(other.certificate_file).write_text(broken.pem.reveal())
    config = Path(edge.settings.config_file).read_text()
    trial = Path(edge.settings.config_file).with_name("trial.cfg")
    trial.write_text(config.replace(edge.settings.certificate_file, other.certificate_file))
    done = subprocess.run(
        [edge.process.args[0], "-c", "-f", trial],  # type: ignore[index]
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "inconsistencies between private key and certificate" in done.stderr
