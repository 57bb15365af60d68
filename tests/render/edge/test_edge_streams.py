"""What the edge's configuration makes HAProxy do with streams (RTMP, WHIP). On loopback, with HAProxy itself."""

from __future__ import annotations

import contextlib
import http.client
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.edge.backends import Streams, StreamSlot
from livekit_metal.runtime.slots import active_slot
from tests.render.edge.edge_rig import Edge, free_ports
from tests.render.edge.fake_slot import FakeSlot
from tests.render.edge.run_here import run_here

KEY = "SeCrEtKeY"


class FakeIngress:
    """Answers as a slot of ingress does to an edge: RTMP (echo), WHIP (POST, OPTIONS) and health on one port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rtmp, self.http = free_ports(2)
        self._servers: list[socketserver.BaseServer] = []

    def start(self) -> None:
        name = self.name

        class Echo(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while said := self.request.recv(1024):
                    self.request.sendall(f"{name}:".encode() + said)

        class Whip(BaseHTTPRequestHandler):
            def _say(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def do_GET(self) -> None:
                self._say(200)

            def do_POST(self) -> None:
                self._say(201)

            def do_OPTIONS(self) -> None:
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, block_on_close, allow_reuse_address = True, False, True

        for server in (
            Server(("127.0.0.1", self.rtmp), Echo),
            ThreadingHTTPServer(("127.0.0.1", self.http), Whip),
        ):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self._servers.append(server)

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    @property
    def slot(self) -> StreamSlot:
        return StreamSlot(name=self.name, rtmp=self.rtmp, whip=self.http, health=self.http)


class StreamEdge(Edge):
    """An edge of a site with ingress; ``other`` is that of another host."""

    def __init__(self, haproxy: str, directory: Path, ours: list[FakeIngress], other: StreamEdge | None) -> None:
        self._other = other
        self.rtmp, self.rtmp_peer, unused = free_ports(3)
        settings = {
            "rtmp": PortRange(self.rtmp, self.rtmp),
            "rtmp_peer": PortRange(self.rtmp_peer, self.rtmp_peer),
            "streams": Streams(
                slots=tuple(each.slot for each in ours),
                unit="livekit-ingress@{}.service",
                peers={"other": "127.0.0.1"} if other else {},
            ),
        }
        super().__init__(haproxy, directory, {"z": FakeSlot("z", unused)}, 0, **settings)

    def _write(self) -> None:
        super()._write()
        if self._other:  # all edges share loopback here: the other has ports of its own
            config = Path(self.settings.config_file)
            text = config.read_text()
            for ours, theirs in ((self.own_peer, self._other.own_peer), (self.rtmp_peer, self._other.rtmp_peer)):
                text = text.replace(f"other 127.0.0.1:{ours}", f"other 127.0.0.1:{theirs}")
                text = text.replace(f" port {ours}\n", f" port {theirs}\n")
            config.write_text(text)

    def flip(self, slot: str) -> None:
        active_slot.flip(None, self.active, "ingress", slot)  # type: ignore[arg-type]  # `sh` runs here, see the fixture


@pytest.fixture
def ingresses() -> Iterator[dict[str, FakeIngress]]:
    made = {name: FakeIngress(name) for name in "abx"}
    yield made
    for each in made.values():
        each.stop()


MakeEdge = Callable[..., StreamEdge]


@pytest.fixture
def make_edge(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeEdge]:
    monkeypatch.setattr(active_slot, "run", run_here)
    made: list[StreamEdge] = []

    def make(ours: list[FakeIngress], other: StreamEdge | None = None) -> StreamEdge:
        made.append(StreamEdge(program("haproxy", "haproxy"), tmp_path / f"edge{len(made)}", ours, other))
        return made[-1]

    yield make
    for edge in made:
        edge.stop()


@pytest.fixture
def edge(make_edge: MakeEdge, ingresses: dict[str, FakeIngress]) -> StreamEdge:
    """An edge whose slots a and b run and whose active slot is a."""
    for name in "ab":
        ingresses[name].start()
    made = make_edge([ingresses["a"], ingresses["b"]])
    made.flip("a")
    return made


@contextlib.contextmanager
def stream(port: int) -> Iterator[Callable[[str], str]]:
    """A stream; ``say(text)`` gives the echo, '' when it was cut."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:

        def say(text: str) -> str:
            s.sendall(text.encode())
            return s.recv(1024).decode()

        yield say


def taken_by(port: int) -> str:
    """Who takes a new stream; '' when it is cut."""
    with stream(port) as say:
        try:
            return say("x").partition(":")[0]
        except ConnectionError:
            return ""


def published(port: int) -> str:
    """Who takes a WHIP request; the status when nobody does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", f"/w/{KEY}", body="offer")
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return body if answer.status == 201 else str(answer.status)


def test_a_stream_stays_with_its_slot_over_flips_and_reloads(edge: StreamEdge) -> None:
    with stream(edge.rtmp) as say:
        assert say("1") == "a:1"
        edge.flip("b")
        assert (taken_by(edge.rtmp), published(edge.http)) == ("b", "b")
        edge.reload(description="second")
        assert say("2") == "a:2"
        assert (taken_by(edge.rtmp), published(edge.http)) == ("b", "b")


def test_without_a_slot_streams_are_turned_away(make_edge: MakeEdge, ingresses: dict[str, FakeIngress]) -> None:
    made = make_edge([ingresses["a"]])
    assert (taken_by(made.rtmp), published(made.http)) == ("", "503")


def test_the_key_of_a_stream_is_in_no_log(edge: StreamEdge) -> None:
    assert published(edge.http) == "a"
    edge.until(lambda: "POST /w/-" in edge.log)
    assert KEY not in edge.log


def test_streams_go_to_another_host_when_ours_does_not_take_them(
    make_edge: MakeEdge, ingresses: dict[str, FakeIngress]
) -> None:
    for name in "ax":
        ingresses[name].start()
    there = make_edge([ingresses["x"]])
    there.flip("x")
    here = make_edge([ingresses["a"]], there)
    here.until(lambda: here.up("ingress_none", "other"))
    assert (taken_by(here.rtmp), published(here.http)) == ("x", "x"), "no slot of ours is active yet"
    here.flip("a")
    assert {taken_by(here.rtmp) for _ in range(4)} == {"a"}, "the others are for when ours fails"
    assert {published(here.http) for _ in range(4)} == {"a"}
    ingresses["a"].stop()
    here.until(lambda: not here.up("ingress_a", "local"))
    assert (taken_by(here.rtmp), published(here.http)) == ("x", "x")


def test_what_a_peer_sends_is_never_sent_on(make_edge: MakeEdge, ingresses: dict[str, FakeIngress]) -> None:
    ingresses["x"].start()
    there = make_edge([ingresses["x"]])
    there.flip("x")
    here = make_edge([ingresses["a"]], there)
    here.until(lambda: here.up("ingress_none", "other"))
    assert taken_by(here.rtmp_peer) == ""
    assert published(here.own_peer) == "503"


def test_a_host_without_ingress_hands_streams_on(make_edge: MakeEdge, ingresses: dict[str, FakeIngress]) -> None:
    ingresses["x"].start()
    there = make_edge([ingresses["x"]])
    there.flip("x")
    here = make_edge([], there)
    here.until(lambda: here.up("ingress_none", "other"))
    assert (taken_by(here.rtmp), published(here.http)) == ("x", "x")
