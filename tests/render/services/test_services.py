"""Other services behind the edge, with HAProxy itself: which request is whose, and what a service gets to see."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from livekit_metal.roles.edge.services import Backend
from livekit_metal.site import inventory
from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import Certificate
from tests.render.edge.edge_rig import Edge, free_ports, get, websocket
from tests.render.edge.fake_slot import FakeSlot
from tests.render.services.conftest import MakeEdge

MATRIX = Path(__file__).parents[3] / "docs/setups/matrix.py"


@pytest.fixture
def services() -> Iterator[dict[str, FakeSlot]]:
    """Two services that say who they are."""
    made = {name: FakeSlot(name, port) for name, port in zip(("tokens", "pad"), free_ports(2), strict=True)}
    for each in made.values():
        each.start()
    yield made
    for each in made.values():
        each.stop()


def at(service: FakeSlot, **settings: object) -> Backend:
    return Backend(server=f"127.0.0.1:{service.port}", **settings)  # type: ignore[arg-type]


def who(edge: Edge, path: str, host: str = "call.example.org", **headers: str) -> str:
    """Who answers, and which path it got."""
    status, body = get(edge.http, path, Host=host, **headers)
    if status != 200:
        return str(status)
    said = json.loads(body)
    return f"{said['slot']} {said['path']}"


def headers_of(edge: Edge, path: str, **headers: str) -> dict[str, str]:
    said: dict[str, str] = json.loads(get(edge.http, path, **headers)[1])["headers"]
    return {name.lower(): value for name, value in said.items()}


def test_a_path_is_a_services_own_and_all_else_is_livekits(make_edge: MakeEdge, services: dict[str, FakeSlot]) -> None:
    edge = make_edge(backends={"tokens": at(services["tokens"], paths=("/sfu/get", "/get_token"))})
    edge.until(lambda: edge.up("service_tokens", "service"))
    for mine in ("/sfu/get", "/sfu/get/x?y=1", "/get_token"):
        assert who(edge, mine) == f"tokens {mine}"
    for theirs in ("/", "/sfu", "/sfu/getter", "/rtc", "/twirp/livekit.RoomService/x", "/x/sfu/get", "/SFU/get"):
        assert who(edge, theirs) == f"a {theirs}"


def test_a_name_is_a_services_own(make_edge: MakeEdge, services: dict[str, FakeSlot]) -> None:
    edge = make_edge(
        backends={
            "pad": at(services["pad"], names=("pad.example.org",)),
            "tokens": at(services["tokens"], names=("rtc.example.org",), paths=("/token",)),
        }
    )
    edge.until(lambda: edge.up("service_pad", "service") and edge.up("service_tokens", "service"))
    assert who(edge, "/rtc", "pad.example.org") == "pad /rtc", "its name has no path of LiveKit's"
    assert who(edge, "/x", "PAD.example.org:443") == "pad /x"
    assert who(edge, "/token", "rtc.example.org") == "tokens /token"
    assert who(edge, "/rtc", "rtc.example.org") == "404", "what nobody has there is not LiveKit's"
    assert who(edge, "/token") == "a /token"
    assert who(edge, "/rtc", "192.0.2.1:7880") == "a /rtc"


def test_a_prefix_is_stripped_once(make_edge: MakeEdge, services: dict[str, FakeSlot]) -> None:
    """As the Matrix documentation has it: LiveKit and lk-jwt-service below one prefix each."""
    jwt = at(services["tokens"], paths=("/livekit/jwt", "/jwt"), strip=True)
    edge = make_edge(path_prefix="/livekit/sfu", backends={"jwt": jwt})
    edge.until(lambda: edge.up("service_jwt", "service"))
    assert who(edge, "/livekit/jwt/sfu/get?x=1") == "tokens /sfu/get?x=1"
    assert who(edge, "/livekit/jwt") == "tokens /"
    assert who(edge, "/livekit/jwt/jwt/x") == "tokens /jwt/x"
    assert who(edge, "/livekit/sfu/rtc") == "a /rtc"
    assert who(edge, "/livekit/sfu/jwt/x") == "a /jwt/x", "what is below LiveKit's prefix is LiveKit's"


def test_a_websocket_of_a_service_outlives_a_reload(make_edge: MakeEdge, services: dict[str, FakeSlot]) -> None:
    edge = make_edge(backends={"pad": at(services["pad"], names=("x",))})  # the client's Host
    edge.until(lambda: edge.up("service_pad", "service"))
    with websocket(edge.http) as say:
        assert say("1") == "pad:1"
        edge.reload(description="second")
        assert say("2") == "pad:2"


def test_a_service_that_is_not_well_is_not_asked_and_livekit_is(
    make_edge: MakeEdge, services: dict[str, FakeSlot]
) -> None:
    pad = services["pad"]
    edge = make_edge(backends={"pad": at(pad, paths=("/pad",), check="/")})
    edge.until(lambda: edge.up("service_pad", "service"))
    pad.health = 500
    edge.until(lambda: who(edge, "/pad") == "503", within=20)
    assert who(edge, "/rtc") == "a /rtc"
    pad.health = 302
    edge.until(lambda: edge.up("service_pad", "service"), within=20)
    assert who(edge, "/pad") == "pad /pad"


def test_a_service_believes_nothing_that_a_client_made_up(make_edge: MakeEdge, services: dict[str, FakeSlot]) -> None:
    edge = make_edge(backends={"pad": at(services["pad"], paths=("/pad",))})
    edge.until(lambda: edge.up("service_pad", "service"))
    lies = {
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Host": "evil",
        "Forwarded": "for=1",
        "X_Forwarded_For": "9.9.9.9",
    }
    got = headers_of(edge, "/pad", **lies)
    assert (got["x-forwarded-proto"], got["x-forwarded-for"]) == ("http", "127.0.0.1")
    assert not {"x-forwarded-host", "forwarded"} & set(got)


def test_what_our_own_proxy_says_reaches_a_service(make_edge: MakeEdge, services: dict[str, FakeSlot]) -> None:
    edge = make_edge(backends={"pad": at(services["pad"], paths=("/pad",))}, proxies=("127.0.0.0/8",))
    edge.until(lambda: edge.up("service_pad", "service"))
    got = headers_of(edge, "/pad", X_Forwarded_Proto="https", X_Forwarded_For="192.0.2.9")
    assert (got["x-forwarded-proto"], got["x-forwarded-for"]) == ("https", "192.0.2.9")


def test_a_request_that_is_too_big_for_livekit_is_too_big_for_a_service(
    make_edge: MakeEdge, services: dict[str, FakeSlot]
) -> None:
    edge = make_edge(backends={"pad": at(services["pad"], paths=("/pad",))})
    edge.until(lambda: edge.up("service_pad", "service"))
    assert who(edge, "/pad", Content_Length="10485761") == "413"


@pytest.fixture
def ca() -> Certificate:
    return certificates.authority("tls-ca", "test", time.time())


@pytest.fixture
def secured(services: dict[str, FakeSlot], ca: Certificate, tmp_path: Path) -> FakeSlot:
    """A service that speaks TLS as inside.example.org."""
    file, pad = tmp_path / "leaf.pem", services["pad"]
    file.write_text(certificates.leaf(ca, "tls-x", ("inside.example.org",), 30, time.time()).pem.reveal())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    pad.speak(context)
    return pad


def test_a_service_over_tls_shows_the_certificate_of_its_name(
    make_edge: MakeEdge, secured: FakeSlot, ca: Certificate
) -> None:
    settings = {"paths": ("/pad",), "tls": True, "ca_file": "x"}
    edge = make_edge(backends={"pad": at(secured, tls_name="inside.example.org", ca=ca.chain, **settings)})
    edge.until(lambda: edge.up("service_pad", "service"))
    assert who(edge, "/pad") == "pad /pad"
    edge = make_edge(backends={"pad": at(secured, tls_name="other.example.org", ca=ca.chain, **settings)})
    edge.until(lambda: "different from the expected one" in edge.log)
    assert who(edge, "/pad") == "503"


def test_over_tls_a_service_is_told_so_and_its_name_is_in_the_certificate(
    make_edge: MakeEdge, services: dict[str, FakeSlot], ca: Certificate
) -> None:
    served = certificates.leaf(ca, "tls-lk1", ("call.example.org", "pad.example.org"), 30, time.time())
    edge = make_edge(tls="internal", served=served, backends={"pad": at(services["pad"], names=("pad.example.org",))})
    edge.until(lambda: edge.up("service_pad", "service"))
    trusted = ssl.create_default_context(cadata=ca.chain)
    plain = socket.create_connection(("127.0.0.1", edge.https), timeout=10)
    connection = http.client.HTTPConnection("pad.example.org")
    connection.sock = trusted.wrap_socket(plain, server_hostname="pad.example.org")
    connection.request("GET", "/x")
    said = json.loads(connection.getresponse().read())
    assert said["slot"] == "pad"
    assert {k.lower(): v for k, v in said["headers"].items()}["x-forwarded-proto"] == "https"
    connection.close()


def test_matrix_and_livekit_are_below_one_name(
    make_edge: MakeEdge, services: dict[str, FakeSlot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inventory of docs/setups/matrix.md."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    site = inventory.read(Path(shutil.copy(MATRIX, tmp_path))).edge
    jwt, synapse = services["tokens"], services["pad"]
    servers = {"jwt": f"127.0.0.1:{jwt.port}", "synapse": f"127.0.0.1:{synapse.port}"}
    backends = {name: replace(each, server=servers[name]) for name, each in site.backends.items()}
    edge = make_edge(path_prefix=site.path_prefix, backends=backends)
    edge.until(lambda: all(edge.up(f"service_{name}", "service") for name in backends))
    assert who(edge, "/livekit/jwt/sfu/get", site.domain) == "tokens /sfu/get"
    assert who(edge, "/livekit/jwt/healthz", site.domain) == "tokens /healthz"
    assert who(edge, "/livekit/sfu/rtc", site.domain) == "a /rtc"
    assert who(edge, "/livekit/sfu/", site.domain) == "a /"
    assert who(edge, "/_matrix/client/versions", "matrix.example.org") == "pad /_matrix/client/versions"
