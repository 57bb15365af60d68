"""A stand-in for a STUN server (RFC 8489), which says what a test wants it to see."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COOKIE = 0x2112A442


def mapped(request: bytes, address: str) -> bytes:
    """The answer of a STUN server (RFC 8489, 14.2) that sees ``address``, after an attribute that nobody knows."""
    bits = struct.unpack("!I", socket.inet_aton(address))[0] ^ COOKIE
    value = struct.pack("!HHI", 1, 40000 ^ (COOKIE >> 16), bits)
    attributes = struct.pack("!HH", 0x8022, 5) + b"hello\0\0\0" + struct.pack("!HH", 0x20, len(value)) + value
    return struct.pack("!HHI", 0x0101, len(attributes), COOKIE) + request[8:20] + attributes


@contextmanager
def server(*answers: Callable[[bytes], bytes]) -> Iterator[str]:
    """A stand-in that answers one request after the other; then it is silent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def serve() -> None:
            for answer in answers:
                try:
                    request, where = listening.recvfrom(1500)
                except OSError:
                    return
                listening.sendto(answer(request), where)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
