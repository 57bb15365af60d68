"""Webhooks as livekit-server signs them (livekit/protocol, webhook/url_notifier.go and verifier.go). Standard library.

The port is on loopback, where every account of the host gets: what is not signed with a key of the site is not read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

LEEWAY = 60  # s that clocks may differ; a token is good for five minutes


class Unsigned(ValueError):
    """It is not from livekit-server; the text says why."""


def event(authorization: str, body: bytes, keys: Mapping[str, str], now: float) -> dict[str, Any]:
    """The event in ``body``. Raises Unsigned."""
    said = _claims(authorization, keys)
    if not isinstance(end := said.get("exp"), (int, float)) or end < now - LEEWAY:
        raise Unsigned("its token is over")
    if isinstance(begin := said.get("nbf", 0), (int, float)) and begin > now + LEEWAY:
        raise Unsigned("its token is not valid yet")
    wanted = base64.b64encode(hashlib.sha256(body).digest()).decode()
    if not hmac.compare_digest(str(said.get("sha256", "")).encode(), wanted.encode()):
        raise Unsigned("its token is for something else")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unsigned("it is no event")
    return found


def _claims(token: str, keys: Mapping[str, str]) -> dict[str, Any]:
    try:
        head, middle, sign = token.removeprefix("Bearer ").encode("ascii").split(b".")
        header, claims, given = json.loads(_plain(head)), json.loads(_plain(middle)), _plain(sign)
    except (ValueError, binascii.Error):
        raise Unsigned("it has no token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") != "HS256":
        raise Unsigned("its token is of another kind")
    secret = keys.get(str(claims.get("iss")))
    if secret is None:
        raise Unsigned("its key is none of the site's")
    if not hmac.compare_digest(hmac.new(secret.encode(), head + b"." + middle, hashlib.sha256).digest(), given):
        raise Unsigned("its signature is wrong")
    return claims


def _plain(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
