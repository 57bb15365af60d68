"""Tokens that LiveKit's API takes, without its SDK."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

_VALID = 600  # s that a token is good for


def token(key: str, secret: str, now: float, grants: Mapping[str, Any]) -> str:
    """A JWT with ``grants`` (such as {"video": {"roomAdmin": True}}) for ten minutes from ``now``, in Unix seconds."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    claims = {"iss": key, "exp": int(now) + _VALID, **grants}
    text = ".".join(part(json.dumps(each).encode()) for each in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{part(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))}"
