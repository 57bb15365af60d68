"""Hears livekit-server's webhooks, and sees to agents that are gone. On hosts; standard library.

    python3 -S watch.py CONFIG

On 127.0.0.1:PORT it takes POST with a webhook, from livekit-server alone (signed.py), and has GET /metrics.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livekit_metal.roles.agents.on_host import lkm_logs as logs
    from livekit_metal.roles.redispatch.on_host import signed
    from livekit_metal.roles.redispatch.on_host.losses import Losses
else:
    logs = importlib.import_module("lkm_logs")
    signed = importlib.import_module("signed")
    Losses = importlib.import_module("losses").Losses

MOST = 1 << 20  # bytes of an event: a participant's attributes and metadata have 64 KiB each by default
AT_ONCE = 32  # connections: whoever keeps more of them open is let go
WITHIN = 10.0  # s for a request, from its connection to its end
SELDOM = 60.0  # s between two words about what is refused: anybody on the host can send it
_log = logging.getLogger("livekit-metal")


class Watch:
    """What is heard and told."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._keys: dict[str, str] = config["keys"]
        self.losses = Losses(config, os.environ.get("RUNTIME_DIRECTORY"))
        self.heard = self.refused = 0
        self._said = -SELDOM

    def take(self, authorization: str, body: bytes) -> bool:
        """Whether it is an event of livekit-server's."""
        try:
            event = signed.event(authorization, body, self._keys, time.time())
        except signed.Unsigned as why:
            self.refused += 1
            if time.monotonic() > self._said + SELDOM:
                self._said = time.monotonic()
                _log.warning("a webhook was refused", extra={"why": str(why), "so_far": self.refused})
            return False
        self.heard += 1
        self.losses.heard(event)
        return True

    def metrics(self) -> str:
        """For Prometheus."""
        lost = [(f'{{fleet="{fleet}"}}', number) for fleet, number in self.losses.lost.items()]
        again = [(f'{{fleet="{fleet}"}}', number) for fleet, number in self.losses.dispatched.items()]
        return "".join(
            [
                *_counter("livekit_agents_jobs_lost_total", "jobs whose worker or host died and stayed away", lost),
                *_counter("livekit_agents_jobs_redispatched_total", "those that were dispatched again", again),
                *_counter("livekit_redispatch_webhooks_total", "webhooks of livekit-server", [("", self.heard)]),
                *_counter("livekit_redispatch_refused_total", "others", [("", self.refused)]),
            ]
        )


def _counter(name: str, what: str, values: list[tuple[str, int]]) -> Iterator[str]:
    yield f"# HELP {name} {what}\n# TYPE {name} counter\n"
    for labels, value in values:
        yield f"{name}{labels} {value}\n"


class Server(ThreadingHTTPServer):
    """On loopback."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, watch: Watch, port: int) -> None:
        self.watch, self._room = watch, threading.BoundedSemaphore(AT_ONCE)
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(timeout=WITHIN):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(WITHIN, _cut, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.info("a connection broke", extra={"error": repr(sys.exc_info()[1])})


def _cut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One request for each connection."""

    timeout = WITHIN
    server: Server

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST:
            self._reply(413 if length.isdecimal() else 411)
            return
        body = self.rfile.read(int(length))
        self._reply(200 if self.server.watch.take(self.headers.get("Authorization", ""), body) else 401)

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._reply(200, self.server.watch.metrics())
        else:
            self._reply(404)

    def _reply(self, status: int, text: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a line for each webhook would be one for each participant."""


def main(argv: list[str]) -> None:
    config = json.loads("".join(line for line in Path(argv[1]).read_text().splitlines(True) if line[:1] != "#"))
    logs.begin("INFO")
    watch = Watch(config)
    watch.losses.start()
    Server(watch, config["port"]).serve_forever()


if __name__ == "__main__":
    main(sys.argv)
