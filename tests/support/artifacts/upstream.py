"""An upstream that serves release archives on loopback, for tests of fetching."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from livekit_metal.releases.catalogue import Archive, Pin, Release

PROGRAM = b"#!/bin/sh\necho tool 1.0.0\n" + b"#" * 400_000
PATIENCE = 30  # seconds no test needs


def archive(url: str, sha256: str, member: str = "tool") -> Release:
    origin = Archive(url, member, (Pin("amd64", sha256, "A"),))
    return Release(component="tool", version="1.0.0", origin=origin, path="tool.release")


def packed(content: bytes = PROGRAM, name: str = "tool") -> bytes:
    """The same bytes each time: gzip would write the time into them."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as whole, tarfile.open(fileobj=whole, mode="w") as tar:
        for member, data in (("LICENSE", b"none"), (name, content)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return out.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Upstream(ThreadingHTTPServer):
    """Serves ``body`` at /tool.tar.gz; can stop half-way until ``go_on`` is set, or hang up there."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/tool.tar.gz"
        self.body, self.requests, self.moved = packed(), 0, ""
        self.truncate = self.pause = False
        self.half, self.go_on = threading.Event(), threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_GET(self) -> None:
        server, middle = self.server, len(self.server.body) // 2
        server.requests += 1
        if self.path != "/tool.tar.gz":
            self.send_error(404)
            return
        self.send_response(302 if server.moved else 200)
        self.send_header("Location" if server.moved else "X-Nothing", server.moved)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body[:middle])
        self.wfile.flush()
        if server.pause:
            server.half.set()
            server.go_on.wait(PATIENCE)
        if not server.truncate:
            self.wfile.write(server.body[middle:])

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # a client that was killed
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Upstream]:
    server = Upstream()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


def left(cache: Path) -> list[Path]:
    """What is under way or was left half-done."""
    return [path for path in cache.rglob("*") if path.parent.name == "work" or path.name.endswith(".new")]


def programs(cache: Path) -> list[Path]:
    return [path for path in (cache / "sha256").rglob("*") if path.is_file()]


def forge(cache: Path, program: bytes) -> None:
    """As who may write to a store, and has no key of its user: the index leads to a program of his own."""
    name = sha256(program)
    place = cache / "sha256" / name[:2] / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(program)
    for index in (cache / "made").iterdir():
        said = json.loads(index.read_text())
        index.write_text(json.dumps(said | {"sha256": name, "size": len(program)}))
