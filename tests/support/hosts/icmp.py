"""ICMP by hand, run as root in a namespace. ``icmp.py ping ADDRESS`` prints the type of the answer.

``icmp.py too-big ADDRESS PORT OWN MTU`` tells the host at ADDRESS what a router would: that a datagram which it sent
from its UDP port PORT to OWN did not fit through a link of MTU bytes (RFC 792, RFC 1191). IPv4 only.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

ECHO = {socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129)}
SECONDS = 3


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _message(kind: int, code: int, rest: bytes) -> bytes:
    """The kernel fills in the checksum of ICMPv6 itself."""
    unsummed = struct.pack("!BBH", kind, code, 0) + rest
    return struct.pack("!BBH", kind, code, _checksum(unsummed)) + rest


def ping(address: str) -> int:
    family, _, _, _, target = socket.getaddrinfo(address, None, flags=socket.AI_NUMERICHOST)[0]
    proto, request, reply = ECHO[family]
    with socket.socket(family, socket.SOCK_RAW, proto) as raw:
        raw.settimeout(SECONDS)
        raw.sendto(
            _message(request, 0, struct.pack("!HH", os.getpid() & 0xFFFF, 1)), target
        )  # an id of its own: no known exchange
        while True:
            data = raw.recv(2000)
            kind = data[20] if family == socket.AF_INET else data[0]
            if kind == reply:
                return kind


def too_big(address: str, port: int, own: str, mtu: int) -> None:
    addresses = socket.inet_aton(address) + socket.inet_aton(own)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 1400, 1, 0x4000, 64, socket.IPPROTO_UDP, 0) + addresses
    datagram = struct.pack("!HHHH", port, 40000, 1380, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.sendto(_message(3, 4, struct.pack("!HH", 0, mtu) + header + datagram), (address, 0))


if __name__ == "__main__":
    if sys.argv[1] == "ping":
        print(ping(sys.argv[2]))
    else:
        too_big(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
