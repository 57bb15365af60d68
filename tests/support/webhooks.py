"""Webhooks as livekit-server sends them: signed by the SDK, sent over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

from livekit import api


def event(name: str = "participant_left", identity: str = "agent-AJ_1", **more: Any) -> dict[str, Any]:
    """About an agent in room r, which was missed."""
    who = {"sid": "PA_1", "identity": identity, "kind": "AGENT", "disconnectReason": "CONNECTION_TIMEOUT"} | more
    return {"event": name, "id": "EV_1", "room": {"name": "r", "sid": "RM_1"}, "participant": who}


def token(body: bytes, key: str, secret: str, *, valid: float = 300) -> str:
    """What comes with it."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return api.AccessToken(key, secret).with_ttl(timedelta(seconds=valid)).with_sha256(digest).to_jwt()


def send(url: str, body: bytes, authorization: str | None) -> int:
    """The status of the answer."""
    headers = {"Content-Type": "application/webhook+json"} | ({"Authorization": authorization} if authorization else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def told(url: str, what: dict[str, Any], key: str, secret: str) -> int:
    """Send ``what`` as livekit-server with that key does."""
    body = json.dumps(what).encode()
    return send(url, body, token(body, key, secret))
