"""The login at TURN that all clients of a site share, for TURN servers that livekit-server is told of by hand.

livekit-server tells clients of its own TURN with the port that it binds, and of any other (rtc.turn_servers) with a
login that stands in its configuration: it makes logins of a client's own for the former alone. Both are the same to the
TURN inside of it, which keeps no list: a login is good when the password follows from the API secret (upstream:
pkg/service/turn.go, TURNAuthHandler, of 1.13.5).
"""

from __future__ import annotations

import hashlib
import string

from livekit_metal.core.types.secret import Secret

# As github.com/jxskiss/base62 has them, which reads the bytes from behind, six bits at a time.
_DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits
_WHO = "everybody"
# Seconds since 1970: the year 2100. It would be another configuration, and so another slot, whenever it moved on.
_ENDS = 4102444800


def login(api_key: str, api_secret: Secret) -> tuple[str, str]:
    """Name and password; good as long as livekit-server knows the key."""
    said = f"{api_secret.reveal()}|{_WHO}|{_ENDS}".encode()
    return base62(f"{api_key}|{_WHO}|{_ENDS}".encode()), base62(hashlib.sha256(said).digest())


def base62(data: bytes) -> str:
    """``data`` as that library writes it. Not a number in base 62: what would be digit 62 or 63 takes five bits."""
    number, left, out = int.from_bytes(data, "big"), len(data) * 8, []
    while left > 0:
        digit, size = number & 0x3F, 6
        if digit & 0x1E == 0x1E:
            size = 5 if left > 6 or digit > 0x1F else 6
            digit &= 0x1F
        out.append(_DIGITS[digit])
        number >>= size
        left -= size
    return "".join(out)
