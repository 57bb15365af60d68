"""Small Python servers in the place of slots, and of services."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The example handshake of RFC 6455, 1.3: HAProxy checks that the answer fits.
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class FakeSlot:
    """Answers as livekit-server does to an edge: 200 or 406 on /, WebSockets (echo), JSON about all else."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port, self.health = name, port, 200
        self.answers = threading.Event()  # /later waits for it
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        slot = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("Upgrade") == "websocket":
                    self.wfile.write(
                        f"HTTP/1.1 101 Switching\r\n{UPGRADE}Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n".encode()
                    )
                    while said := self.connection.recv(1024):
                        self.connection.sendall(f"{slot.name}:".encode() + said)
                    return
                if self.path == "/later":
                    slot.answers.wait()
                said = {"slot": slot.name, "path": self.path, "headers": dict(self.headers)}
                body = json.dumps(said | {"from": self.client_address[0]}).encode()
                self.send_response(slot.health if self.path == "/" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_words: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads, block_on_close = True, False

            def handle_error(self, *_words: object) -> None:
                """A health check goes without waiting for the body."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def speak(self, tls: ssl.SSLContext) -> None:
        """Nothing but TLS from now on."""
        assert self._server
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def stop(self) -> None:
        self.answers.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # of version 2 of the PROXY protocol


class FakeTurn:
    """TURN of a slot: answers whatever it gets with the slot's name before it.

    ``insists``: on the PROXY protocol, as livekit-server does from 1.13.7 on when it is told to. Without a header, or
    from another address than ``address``, nobody gets a word; and who has one may not bring it where it is not wanted.
    """

    def __init__(self, name: str, *, insists: bool = False, address: str = "127.0.0.1") -> None:
        self._name, self._insists, self._address = name.encode(), insists, address
        self.served: list[str] = []  # the addresses that were served, as TURN sees them
        self.refused = 0
        self._socket = socket.create_server((address, 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, source = self._socket.accept()
                threading.Thread(target=self._serve, args=(link, source[0]), daemon=True).start()

    def _serve(self, link: socket.socket, source: str) -> None:
        with link, contextlib.suppress(OSError):
            first = link.recv(4096)
            if self._insists:
                if source != self._address or not first.startswith(_SIGNATURE) or first[12:14] != b"\x21\x11":
                    self.refused += 1
                    return
                source = str(ipaddress.ip_address(first[16:20]))
                first = first[16 + int.from_bytes(first[14:16]) :] or link.recv(4096)
            elif first.startswith(_SIGNATURE):
                self.refused += 1
                return
            self.served.append(source)
            while first:
                link.sendall(self._name + first)
                first = link.recv(4096)

    def stop(self) -> None:
        self._socket.close()
