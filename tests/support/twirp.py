"""LiveKit's API as far as redispatch asks it: who is in the room, its dispatches, and what was wanted of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from livekit import api


class Twirp:
    """``people`` is what ListParticipants answers; ``wanted``: the calls that change something, with their words.

    A dispatch is there until it is deleted, once; with ``made_up`` any is that was not deleted.
    """

    def __init__(self, people: list[dict[str, Any]]) -> None:
        self.sid = "RM_1"  # of the room, whatever its name
        self.people, self.wanted = people, list[tuple[str, dict[str, Any]]]()
        self.asked = 0  # how often somebody asked who is there
        self.refused = 0  # how often somebody came with a wrong secret
        self.dispatches: dict[str, dict[str, Any]] = {}  # as ListDispatch has them, by id
        self.made_up = True
        self.missed = 0  # dispatches that were to be deleted and were not there
        self.after: dict[str, Callable[[], object]] = {}  # what happens once a method was called
        self.deaf = 0  # calls that are answered with 503, though they are done
        self.over = False  # the room is: nobody answers about its dispatches
        self.takes = True  # a worker is there, and has a job of a new dispatch at once
        self.url = ""
        self._lock = threading.Lock()

    def dispatch(self, name: str, identity: str = "", **more: Any) -> dict[str, Any]:
        """Another one for agent ``name``, whose job has that identity."""
        made = {"id": f"AD_{len(self.wanted)}_{len(self.dispatches)}", "agent_name": name, "room": "r"} | more
        job = {"id": "AJ_x", "type": "JT_ROOM", "state": {"status": "JS_RUNNING", "participant_identity": identity}}
        made["state"] = {"jobs": [job] if identity else []}
        self.dispatches[made["id"]] = made
        return made

    def changed(self, method: str, said: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None: there is no such thing."""
        with self._lock:
            if method == "AgentDispatchService/DeleteDispatch":
                known = self.dispatches.pop(said["dispatch_id"], None)
                if known is None and not self.made_up:
                    self.missed += 1
                    return None
                self.wanted.append((method, said))
                return known or {"id": said["dispatch_id"]}
            self.wanted.append((method, said))
            if method == "AgentDispatchService/CreateDispatch":
                return self.dispatch(said["agent_name"], "agent-new" if self.takes else "")
            return {}


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
                answer = {"rooms": [{"name": name, "sid": made.sid} for name in said["names"] if not made.over]}
            elif method == "AgentDispatchService/ListDispatch":
                found = [d for d in made.dispatches.values() if said.get("dispatch_id", d["id"]) == d["id"]]
                answer = {"agent_dispatches": found}
            elif made.over:
                answer = {"code": "unavailable"}
            elif allowed and (changed := made.changed(method, said)) is not None:
                answer = changed
            else:
                answer = {"code": "not_found"}
            if allowed and method in made.after:
                made.after[method]()
            made.refused += not allowed
            nobody = made.over and method.startswith("AgentDispatchService/")
            status = 200 if allowed else 401
            if nobody:
                status = 503  # psrpc: no response from servers
            elif answer.get("code"):
                status = 404
            elif made.deaf and method.startswith("AgentDispatchService/Create"):
                made.deaf, status = made.deaf - 1, 503
            body = json.dumps(answer).encode()
            self.send_response(status if allowed else 401)
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
