"""LiveKit's API of SIP as far as trunks and rules go: it keeps what it is told, as livekit-server 1.13 does.

Methods, keys and errors are those of protocol/livekit_sip.proto and of Twirp (a POST of JSON to /twirp/livekit.SIP/…);
what only LiveKit can set (ids, times) and what it says where nothing was set is in its answers.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import hmac
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# kind -> its id, the prefix of ids, the key of a request that creates one
_KINDS = {
    "SIPInboundTrunk": ("sip_trunk_id", "ST_", "trunk"),
    "SIPOutboundTrunk": ("sip_trunk_id", "ST_", "trunk"),
    "SIPDispatchRule": ("sip_dispatch_rule_id", "SDR_", "dispatch_rule"),
}
_UNSET: Mapping[str, Mapping[str, object]] = {
    "SIPInboundTrunk": {"include_headers": "SIP_NO_HEADERS", "krisp_enabled": False, "auth_username": ""},
    "SIPOutboundTrunk": {"include_headers": "SIP_NO_HEADERS", "media_encryption": "SIP_MEDIA_ENCRYPT_DISABLE"},
    "SIPDispatchRule": {"inbound_numbers": [], "krisp_enabled": False, "room_preset": "", "room_config": None},
}
# what it adds to a room configuration, and to each of its agents
_ROOM: Mapping[str, object] = {"name": "", "egress": None, "sync_streams": False, "max_participants": 0, "tags": {}}
_AGENT: Mapping[str, object] = {"restart_policy": "JRP_ON_FAILURE", "attributes": {}}


@dataclass
class SipApi:
    """``items`` by kind and id; ``calls`` are the methods that were to change something; ``refuses`` says why not."""

    key: str
    secret: str
    port: int = 0
    items: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {kind: {} for kind in _KINDS})
    calls: list[str] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def named(self, kind: str) -> dict[str, dict[str, Any]]:
        return {item["name"]: item for item in self.items[kind].values()}

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind as LiveKit tells it: every field is there."""
        found = copy.deepcopy(list(self.items[kind].values()))
        for item in found:
            if room := item.get("room_config"):
                item["room_config"] = {**_ROOM, **room, "agents": [{**_AGENT, **one} for one in room.get("agents", [])]}
        return found

    def create(self, kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
        id_, prefix, _ = _KINDS[kind]
        made = {**_UNSET[kind], **copy.deepcopy(dict(item)), id_: f"{prefix}{next(self._numbers)}"}
        made["created_at"] = {"seconds": str(int(time.time()))}
        if kind == "SIPDispatchRule":
            made.setdefault("media", {})
        self.items[kind][made[id_]] = made
        return made

    def lets_in(self, authorization: str) -> bool:
        """Whether it is a token of our key that may manage SIP, and is still good."""
        try:
            text, _, signed = authorization.removeprefix("Bearer ").rpartition(".")
            claims = json.loads(_decoded(text.split(".")[1]))
            ours = hmac.compare_digest(
                _decoded(signed), hmac.digest(self.secret.encode(), text.encode(), hashlib.sha256)
            )
        except (ValueError, IndexError):
            return False
        return bool(ours and claims["iss"] == self.key and claims["exp"] > time.time() and claims["sip"]["admin"])

    def answer(self, method: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        if why := self.refuses.get(method):
            return 400, {"code": "invalid_argument", "msg": why}
        verb = next((verb for verb in ("List", "Create", "Update", "Delete") if method.startswith(verb)), "")
        kind = method.removeprefix(verb)
        if verb == "List":
            return 200, {"items": self.listed(kind)}
        self.calls.append(method)
        if verb == "Create":
            return 200, self.create(kind, body[_KINDS[kind][2]])
        kinds = ("SIPInboundTrunk", "SIPOutboundTrunk") if kind == "SIPTrunk" else (kind,)
        for each in kinds:
            id_ = _KINDS[each][0]
            if (old := self.items[each].get(body[id_])) is None:
                continue
            if verb == "Delete":
                return 200, self.items[each].pop(body[id_])
            kept = {id_: old[id_], "created_at": old["created_at"]}
            self.items[each][body[id_]] = {**_UNSET[each], **body["replace"], **kept}
            return 200, self.items[each][body[id_]]
        return 404, {"code": "not_found", "msg": "object cannot be found"}


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextlib.contextmanager
def serving(key: str, secret: str) -> Iterator[SipApi]:
    """The API on a port of its own."""
    api = SipApi(key, secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.path.startswith("/twirp/livekit.SIP/"):
                code, said = 404, {"code": "bad_route", "msg": self.path}
            elif not api.lets_in(self.headers.get("Authorization", "")):
                code, said = 401, {"code": "unauthenticated", "msg": "permissions denied"}
            else:
                code, said = api.answer(self.path.rpartition("/")[2], body)
            text = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield api
        server.shutdown()
