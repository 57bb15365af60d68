"""Network namespaces of a test's own: a host behind a router that translates addresses, and who is outside."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
INSIDE, PUBLIC, OUTSIDE = "10.99.0.11", "203.0.113.11", "198.51.100.5"
# $1 host, $2 router, $3 outside. Nobody outside knows a way to the inside addresses.
_MAKE = f"""
for n in "$1" "$2" "$3"; do ip netns add "$n"; ip -n "$n" link set lo up; done
ip link add "$1" netns "$2" type veth peer name eth netns "$1"
ip link add "$3" netns "$2" type veth peer name eth netns "$3"
ip -n "$2" address add 10.99.0.1/24 dev "$1"; ip -n "$2" address add 198.51.100.1/24 dev "$3"
ip -n "$2" address add {PUBLIC}/32 dev lo
ip -n "$1" address add {INSIDE}/24 dev eth; ip -n "$3" address add {OUTSIDE}/24 dev eth
for d in "$1" "$3"; do ip -n "$2" link set "$d" up; ip -n "$d" link set eth up; done
ip -n "$1" route add default via 10.99.0.1
ip -n "$3" route add {PUBLIC}/32 via 198.51.100.1
ip netns exec "$2" sysctl -qw net.ipv4.ip_forward=1
ip netns exec "$2" nft -f - <<END
table ip translate {{
  chain in {{ type nat hook prerouting priority dstnat; iifname "$3" ip daddr {PUBLIC} dnat to {INSIDE}; }}
  chain out {{ type nat hook postrouting priority srcnat; oifname "$3" ip saddr {INSIDE} snat to {PUBLIC}; }}
  chain leak {{ type filter hook forward priority filter; oifname "$3" ip daddr 10.0.0.0/8 drop; }}
}}
END
"""


@dataclass(frozen=True)
class Translated:
    """The names of the namespaces."""

    host: str
    router: str
    outside: str


@contextlib.contextmanager
def translated() -> Iterator[Translated]:
    """A host at ``INSIDE`` that is ``PUBLIC`` for whoever is at ``OUTSIDE``. Needs root."""
    mark = uuid4().hex[:6]
    made = Translated(*(f"nat{mark}{part}" for part in "hro"))
    names = (made.host, made.router, made.outside)
    try:
        subprocess.run(["sh", "-euc", _MAKE, "sh", *names], check=True)
        yield made
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets that are made, and programs that are started, are in ``namespace``; they stay there."""
    now, then = Path("/proc/thread-self/ns/net"), Path("/run/netns") / namespace
    with now.open() as before, then.open() as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
