"""An application that gets webhooks: a server that checks each event's signature with livekit-api."""

from __future__ import annotations

import contextlib
import dataclasses
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from livekit import api

KEY, SECRET = "APIcurrent", "a secret of thirty-two characters"


@dataclasses.dataclass
class Application:
    """An application as LiveKit's documents have it: it checks each event's signature, and keeps what it was sent."""

    key: str = KEY
    secret: str = SECRET
    status: int = 200
    leads: str = ""
    says: bytes = b"thanks"
    silent: bool = False
    port: int = 0
    got: list[Any] = dataclasses.field(default_factory=list)
    heads: list[dict[str, str]] = dataclasses.field(default_factory=list)
    seen: list[str] = dataclasses.field(default_factory=list)  # words of every process while it asks
    over: threading.Event = dataclasses.field(default_factory=threading.Event)


def handler(app: Application) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(405)
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            app.heads.append(dict(self.headers))
            app.seen += words_of_processes()
            if app.silent:
                app.over.wait(20)
                return
            status, said = app.status, app.says
            try:
                verifier = api.TokenVerifier(app.key, app.secret)
                app.got.append(api.WebhookReceiver(verifier).receive(body, self.headers["Authorization"]))
            except Exception as error:
                status, said = 401, str(error).encode()
            self.send_response(status)
            if app.leads:
                self.send_header("Location", app.leads)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def words_of_processes() -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes().decode(errors="replace"))
    return found


@contextmanager
def running(app: Application, pem: Path | None = None, address: str = "127.0.0.1") -> Iterator[Application]:
    server = ThreadingHTTPServer((address, 0), handler(app))
    server.daemon_threads = True
    if pem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    app.port = server.server_port
    try:
        yield app
    finally:
        app.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
