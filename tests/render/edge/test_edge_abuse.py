"""What somebody without a token can do to those who have one: take their places, be slow, be large.

With HAProxy itself. Nothing here is measured: what is too slow is cut, whenever that is, and without a limit never.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.slots import active_slot
from livekit_metal.vault import certificates
from tests.render.edge.edge_rig import Edge, free_ports, get, websocket
from tests.render.edge.edges import edges
from tests.render.edge.fake_slot import FakeSlot
from tests.render.edge.run_here import run_here

MakeEdge = Callable[..., Edge]
NAME, TURN = "lk.example.org", "turn.example.org"
POST = b"POST /twirp/x HTTP/1.1\r\nHost: x\r\n"
SOON = {"request_within": Duration(1)}
PAUSE = 0.1  # s between the bytes of who is slow
STUN = bytes.fromhex("000100002112a442") + bytes(12)  # a binding request (RFC 8489, 5)


@pytest.fixture
def slot() -> Iterator[FakeSlot]:
    made = FakeSlot("a", free_ports(1)[0])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def make_edge(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch, slot: FakeSlot
) -> Iterator[MakeEdge]:
    monkeypatch.setattr(active_slot, "run", run_here)
    with edges(program("haproxy", "haproxy"), tmp_path, slot) as make:
        yield make


@pytest.fixture
def over_tls(make_edge: MakeEdge) -> MakeEdge:
    ca = certificates.authority("tls-ca", "test", time.time())
    leaf = certificates.leaf(ca, "tls-lk1", (NAME, TURN), 90, time.time())
    return lambda **settings: make_edge(tls="internal", served=leaf, **settings)


@contextlib.contextmanager
def connected(port: int, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=15, source_address=(source, 0)) as s:
        yield s


def answer(s: socket.socket) -> str:
    """What comes until the edge closes; '' too when it resets."""
    whole = b""
    with contextlib.suppress(ConnectionError):
        while piece := s.recv(65536):
            whole += piece
    return whole.decode(errors="replace")


def dripped(s: socket.socket, data: bytes) -> str:
    """The same while ``data`` is sent byte by byte. TimeoutError when the edge takes all of it and waits."""

    def drip() -> None:
        with contextlib.suppress(OSError):
            for byte in data:
                s.sendall(bytes([byte]))
                time.sleep(PAUSE)

    threading.Thread(target=drip, daemon=True).start()
    return answer(s)


def served(edge: Edge, source: str) -> bool:
    """Whether a request from an address is answered: no connection is refused, and none waits behind others."""
    with contextlib.suppress(OSError), connected(edge.http, source) as s:
        s.settimeout(3)
        s.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return " 200 " in answer(s)
    return False


def hello(name: str = NAME) -> bytes:
    """The first message of a client's handshake."""
    outgoing = ssl.MemoryBIO()
    link = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        link.do_handshake()
    return outgoing.read()


def test_a_few_addresses_do_not_keep_out_the_rest(make_edge: MakeEdge) -> None:
    """Eight that may have twenty connections each, of ninety: the last quarter is for those with few."""
    edge = make_edge(max_per_address=20)
    with contextlib.ExitStack() as held:
        for i in range(8):
            for _ in range(20):
                with contextlib.suppress(ConnectionError):
                    held.enter_context(connected(edge.http, f"127.0.0.{i + 10}"))
        edge.until(lambda: edge.tell("show table http").count(" key=") == 8)
        assert served(edge, "127.0.1.1")
        assert not served(edge, "127.0.0.10")


def test_addresses_of_ipv6_count_by_network(make_edge: MakeEdge) -> None:
    edge = make_edge(ipv6=True)
    with socket.create_connection(("::1", edge.http), timeout=10), connected(edge.http, "127.0.0.9"):
        for table in ("http", "networks"):
            edge.until(lambda t=table: "conn_cur=1" in edge.tell(f"show table {t}"))  # type: ignore[misc]
            keys = {word for word in edge.tell(f"show table {table}").split() if word.startswith("key=")}
            # HAProxy 3 takes ::1 itself, and no address that others have, for one of IPv4 (RFC 4291, 2.5.5.1)
            assert keys - {"key=::", "key=::ffff:0.0.0.1"} == {"key=::ffff:127.0.0.9"}


def test_one_address_does_not_come_as_often_as_it_can(make_edge: MakeEdge) -> None:
    edge = make_edge(max_rate_per_address=1)
    assert not all(served(edge, "127.0.0.9") for _ in range(30))
    assert served(edge, "127.0.0.8")


def test_one_address_does_not_keep_a_ca_from_its_challenge(over_tls: MakeEdge) -> None:
    edge = over_tls(connections=4000)
    with contextlib.ExitStack() as held:
        for _ in range(edge.settings.redirect_connections * 3):
            with contextlib.suppress(ConnectionError):
                held.enter_context(connected(edge.redirect, "127.0.0.9"))
        assert get(edge.redirect, "/.well-known/acme-challenge/x")[0] == 308


@pytest.mark.parametrize("after", [0, 1], ids=["hello", "handshake"])
def test_a_handshake_does_not_take_its_time(over_tls: MakeEdge, after: int) -> None:
    """Byte by byte from the start, or with all of the first message and then the second byte by byte."""
    edge = over_tls(**SOON)
    with connected(edge.https) as s:
        if after:
            s.sendall(hello())
        dripped(s, (hello(), bytes.fromhex("1703034000") + bytes(300))[after])


def test_nor_does_a_head_or_a_body(make_edge: MakeEdge) -> None:
    edge = make_edge(**SOON)
    for start, slow in ((b"", POST + b"X: y" * 100), (POST + b"Content-Length: 300\r\n\r\n", b"x" * 300)):
        with connected(edge.http) as s:
            s.sendall(start)
            assert dripped(s, slow) == ""


def chunks(size: int, each: int) -> bytes:
    return (b"%x\r\n%s\r\n" % (each, b"x" * each)) * (size // each) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"Transfer-Encoding: chunked\r\n", chunks(8192, 512), 200),
        (b"Transfer-Encoding: chunked\r\n", chunks(200000, 500), 413),
        (b"Transfer-Encoding: chunked\r\n", chunks(20000, 1), 413),
        (b"transfer-encoding:\tchunked\r\nX: %s\r\n" % (b"y" * 20000), chunks(16000, 500), 413),
        (b"Content-Length: 20000\r\n", b"x" * 20000, 200),
        (b"Content-Length: 10485761\r\n", b"", 413),
        (b"Content-Length: 1\r\nContent-Length: 2\r\n", b"xx", 400),
        (b"Transfer-Encoding: chunked, identity\r\n", chunks(512, 512), 400),
        (b"Transfer-Encoding : chunked\r\n", chunks(512, 512), 400),
        (b"X: %s\r\n" % (b"y" * 40000), b"", 400),
        (b"X: y\r\n" * 200, b"", 400),
    ],
)
def test_what_is_too_large_or_means_two_things_is_refused(
    make_edge: MakeEdge, head: bytes, body: bytes, status: int
) -> None:
    with connected(make_edge().http) as s:
        with contextlib.suppress(ConnectionError):
            s.sendall(POST + head + b"Connection: close\r\n\r\n" + body)
        assert answer(s).split()[1] == str(status)


def test_nobody_speaks_http2_who_was_not_asked_to(make_edge: MakeEdge) -> None:
    """The preface (RFC 9113, 3.4) made a connection that: bodies without a length passed every limit."""
    with connected(make_edge().http) as s:
        with contextlib.suppress(ConnectionError):
            s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
        said = answer(s)
    assert said.startswith("HTTP/1.1 4") or said == "", "no frame comes back"


def test_a_length_beside_chunks_does_not_reach_a_slot(make_edge: MakeEdge) -> None:
    """RFC 9112, 6.3: else one of two would take the rest for another request."""
    with connected(make_edge().http) as s:
        both = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        s.sendall(POST + both + chunks(512, 512))
        status, _, rest = answer(s).partition("\r\n")
    got = (
        {name.lower() for name in json.loads(rest.partition("\r\n\r\n")[2])["headers"]} if " 200 " in status else set()
    )
    assert not {"content-length", "transfer-encoding"} <= got


def test_who_waits_is_not_slow(make_edge: MakeEdge, slot: FakeSlot) -> None:
    """An answer may take minutes (a phone that rings), and a WebSocket may be silent."""
    edge = make_edge(**SOON)
    with websocket(edge.http) as say, connected(edge.http) as s, connected(edge.http) as slow:
        s.sendall(b"GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert dripped(slow, POST * 10) == "", "cut meanwhile, so the others have been idle as long"
        time.sleep(1)
        slot.answers.set()
        assert " 200 " in answer(s)
        assert say("1") == "a:1"


def test_turn_is_for_those_who_speak_it(over_tls: MakeEdge) -> None:
    relay, name = socket.create_server(("127.0.0.1", 0)), ssl.create_default_context()
    name.check_hostname, name.verify_mode = False, ssl.CERT_NONE
    with relay:
        edge = over_tls(turn_name=TURN, turn_address="127.0.0.1", **SOON)
        slots = [dataclasses.replace(slot, turn=relay.getsockname()[1]) for slot in edge.settings.slots]
        edge.reload(slots=tuple(slots), description="second")
        for words, through in ((STUN, True), (b"GET / HTTP/1.1\r\n\r\n", False), (b"", False)):
            with connected(edge.https) as plain, name.wrap_socket(plain, server_hostname=TURN) as link:
                link.sendall(words)
                if through:
                    with relay.accept()[0] as got:
                        assert got.recv(100) == STUN
                else:
                    assert answer(link) == ""
