"""LiveKit's API as far as redispatch asks it: who is in the room, and what was wanted of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from livekit import api


class Twirp:
    """``people`` is what ListParticipants answers; ``wanted``: the other calls, with their words."""

    def __init__(self, people: list[dict[str, Any]]) -> None:
        self.sid = "RM_1"  # of the room, whatever its name
        self.people, self.wanted = people, list[tuple[str, dict[str, Any]]]()
        self.asked = 0  # how often somebody asked who is there
        self.url = ""


@contextmanager
def twirp(people: list[dict[str, Any]], *, key: str = "k", secret: str = "s" * 32) -> Iterator[Twirp]:
    """One that listens on loopback, and refuses who has not ``key`` and ``secret`` for the very room."""
    made = Twirp(people)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bearer = self.headers["Authorization"].removeprefix("Bearer ")
            try:
                grants = api.TokenVerifier(key, secret).verify(bearer).video
            except jwt.InvalidTokenError:
                grants = None
            allowed = grants is not None and grants.room_admin and grants.room == said["room"]
            method, answer = self.path.rpartition(".")[2], dict[str, Any]()
            if method == "RoomService/ListParticipants":
                made.asked += 1
                answer = {"participants": made.people}
            elif method == "RoomService/ListRooms":
                allowed = allowed and bool(grants and grants.room_list)
                answer = {"rooms": [{"name": name, "sid": made.sid} for name in said["names"]]}
            else:
                made.wanted.append((method, said))
            body = json.dumps(answer).encode()
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"ws://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
