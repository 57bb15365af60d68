"""The edge behind an operator's proxy: nginx, HAProxy and Caddy themselves, with the recipes of the documents."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livekit_metal.runtime.slots import active_slot
from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import Certificate
from tests.render.edge.edge_rig import Edge, free_ports, get, websocket
from tests.render.edge.edges import edges
from tests.render.edge.fake_slot import FakeSlot, FakeTurn
from tests.render.edge.run_here import run_here
from tests.support.programs.proxies import SITE, TURN, Behind, Ports, Proxy

STUN = bytes.fromhex("000100002112a442") + bytes(12)  # a binding request (RFC 8489, 5)
SAID = {"nginx": True, "haproxy": True, "caddy": False}  # whether the recipe uses the PROXY protocol for TURN


MakeEdge = Callable[..., Edge]


@pytest.fixture
def make_edge(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeEdge]:
    """An edge for proxies, with one slot that has TURN."""
    monkeypatch.setattr(active_slot, "run", run_here)
    slot, turn = FakeSlot("a", free_ports(1)[0]), FakeTurn("a")
    slot.start()
    with edges(program("haproxy", "haproxy"), tmp_path, slot) as make:

        def made(**settings: object) -> Edge:
            edge = make(turn_name=TURN, turn_address="127.0.0.1", **settings)
            slots = tuple(dataclasses.replace(each, turn=turn.port) for each in edge.settings.slots)
            edge.reload(slots=slots, description="with TURN")
            edge.until(lambda: edge.up("livekit_a", "local"))
            return edge

        yield made
    slot.stop()
    turn.stop()


@pytest.fixture
def ca() -> Certificate:
    return certificates.authority("tls-ca", "test", time.time())


@pytest.fixture
def trusted(ca: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca.chain)


@pytest.fixture(params=list(SAID))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def edge(make_edge: MakeEdge, kind: str) -> Edge:
    return make_edge(proxies=("127.0.0.1/32",), turn_proxy_protocol=SAID[kind])


@pytest.fixture
def proxy(edge: Edge, kind: str, ca: Certificate, tmp_path: Path) -> Iterator[Proxy]:
    pems = {}
    for name in (SITE, TURN):
        pems[name] = tmp_path / f"{name}.pem"
        pems[name].write_text(certificates.leaf(ca, f"tls-{name}", (name,), 30, time.time()).pem.reveal())
    https, http_, web, turn = free_ports(4)
    behind = Behind(edge=f"127.0.0.1:{edge.http}", turn=f"127.0.0.1:{edge.turn}")
    made = Proxy(kind, tmp_path / "proxy", Ports(https=https, http=http_, web=web, turn=turn), behind, pems)
    yield made
    made.stop()


def secure(proxy: Proxy, trusted: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", proxy.ports.https), timeout=10)
    return trusted.wrap_socket(plain, server_hostname=name)


def test_a_request_through_the_proxy_reaches_the_slot_with_the_clients_address(
    edge: Edge, proxy: Proxy, trusted: ssl.SSLContext
) -> None:
    connection = http.client.HTTPConnection(SITE)
    connection.sock = secure(proxy, trusted, SITE)
    lies = {"X-Forwarded-For": "192.0.2.66", "CF-Connecting-IP": "192.0.2.66", "X-Real-IP": "192.0.2.66"}
    connection.request("GET", "/rtc/validate?x=1", headers=lies)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    assert (answer.status, said["slot"], said["path"]) == (200, "a", "/rtc/validate?x=1"), proxy.log + edge.log
    assert {k.lower(): v for k, v in said["headers"].items()}["x-forwarded-for"] == "127.0.0.1"
    assert "192.0.2.66" not in str(said)
    connection.close()


def test_a_websocket_through_the_proxy_outlives_a_reload_of_the_edge(
    edge: Edge, proxy: Proxy, trusted: ssl.SSLContext
) -> None:
    with websocket(proxy.ports.https, trusted, SITE) as say:
        assert say("1") == "a:1"
        edge.reload(description="another", max_connections=1000)
        assert say("2") == "a:2"


def test_turn_by_the_proxys_name_reaches_the_slot_and_outlives_a_reload(
    edge: Edge, proxy: Proxy, trusted: ssl.SSLContext
) -> None:
    with secure(proxy, trusted, TURN) as link:
        link.sendall(STUN)
        assert link.recv(100) == b"a" + STUN, proxy.log + edge.log
        edge.reload(description="another", max_connections=1000)
        link.sendall(STUN)
        assert link.recv(100) == b"a" + STUN


def test_what_is_no_turn_gets_nowhere_through_the_turn_name(edge: Edge, proxy: Proxy, trusted: ssl.SSLContext) -> None:
    with secure(proxy, trusted, TURN) as link:
        link.sendall(b"GET /rtc HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ssl.SSLError, ConnectionResetError):
            assert link.recv(100) == b""


def dialogue(port: int, said: bytes, source: str = "127.0.0.1") -> bytes:
    """What comes back; nothing, when the connection is refused."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as link:
            link.sendall(said)
            return link.recv(4096)
    except OSError:
        return b""


def test_with_the_proxy_protocol_a_client_is_limited_by_its_own_address(make_edge: MakeEdge) -> None:
    edge = make_edge(proxies=("127.0.0.1/32",), turn_proxy_protocol=True, max_per_address=1)

    def header(address: str) -> bytes:
        return f"PROXY TCP4 {address} 192.0.2.1 1234 443\r\n".encode() + STUN

    with socket.create_connection(("127.0.0.1", edge.turn), timeout=10) as held:
        held.sendall(header("198.51.100.7"))
        assert held.recv(100) == b"a" + STUN
        assert dialogue(edge.turn, header("198.51.100.7")) == b""
        assert dialogue(edge.turn, header("198.51.100.8")) == b"a" + STUN
    assert dialogue(edge.turn, STUN) == b"", "without the header nobody gets in"
    edge.until(lambda: "198.51.100.8:1234" in edge.log)


def test_nobody_but_the_proxies_gets_to_turn(make_edge: MakeEdge) -> None:
    """Whatever the PROXY protocol says: it is the connection's own address that counts."""
    for said in (False, True):
        edge = make_edge(proxies=("127.0.0.9/32",), turn_proxy_protocol=said)
        header = b"PROXY TCP4 127.0.0.9 192.0.2.1 1234 443\r\n" if said else b""
        assert dialogue(edge.turn, header + STUN, "127.0.0.9") == b"a" + STUN
        assert dialogue(edge.turn, header + STUN) == b""


def own_address() -> str:
    """One of this machine's that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def asks(address: str, port: int) -> int:
    """The status of an answer to a request; 0 when there is none."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", "/x")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def test_with_proxies_on_the_host_it_listens_on_loopback_alone(make_edge: MakeEdge) -> None:
    edge, here = make_edge(proxies=("127.0.0.0/8",)), own_address()
    assert get(edge.http)[0] == 200
    assert asks(here, edge.http) == 0
    open_to_all = make_edge()
    assert asks(here, open_to_all.http) == 200, "else this would prove nothing"


def test_with_proxies_elsewhere_nobody_else_is_served(make_edge: MakeEdge) -> None:
    edge, here = make_edge(proxies=("198.51.100.7/32",)), own_address()
    assert asks(here, edge.http) == 0
    assert get(edge.http)[0] == 200, "the host's own services go on"
    assert asks(here, make_edge(proxies=("198.51.100.7/32", f"{here}/32")).http) == 200


def test_it_binds_the_addresses_that_it_is_told_and_leaves_the_others_alone(make_edge: MakeEdge) -> None:
    edge, here = make_edge(listens=("127.0.0.2",), tls="off"), own_address()
    assert asks("127.0.0.2", edge.http) == 200
    assert asks("127.0.0.1", edge.http) == 200, "the host's own services"
    with socket.create_server((here, edge.http)):
        pass
    assert asks(here, edge.http) == 0
