"""Which kernel keys should have which values on a host, and what it means where one cannot be set. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livekit_metal.roles.kernel.settings import Settings

CONNTRACK = "net.netfilter."  # keys that exist only while the module nf_conntrack is loaded


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and the value that follows from the one it has; ``without`` is what its absence means for calls."""

    name: str
    value: Callable[[str], str]
    without: str


def at_least(*wanted: int) -> Callable[[str], str]:
    return lambda observed: _each(max, observed, wanted)


def at_most(*wanted: int) -> Callable[[str], str]:
    return lambda observed: _each(min, observed, wanted)


def exactly(wanted: str) -> Callable[[str], str]:
    return lambda observed: wanted


def _each(choose: Callable[[int, int], int], observed: str, wanted: tuple[int, ...]) -> str:
    has = [int(v) for v in observed.split()] or wanted
    return " ".join(str(choose(a, b)) for a, b in zip(has, wanted, strict=True))


def keys(settings: Settings) -> tuple[Key, ...]:
    """Every key but the reserved ports (see reserved.py). The reasons stand in the template."""
    burst = "with the usual 212992 bytes a media socket holds 184 video packets, the rest of a burst is lost"
    unasked = "with the usual 212992 bytes a socket that asks for nothing holds 92 video packets, the rest is lost"
    backlog = "the machine outside decides how many packets wait for a processor before they are dropped"
    slow = "TCP to distant clients may stay slower than their line"
    silence = "media over TCP starts slowly after each silence"
    stale = "media over TCP queues in the kernel and arrives late on a slow line"
    expired = "the firewall forgets a UDP exchange of this host after 30 s of silence"
    swapped = "a daemon may be swapped out and stutter when it is needed again"
    snapshot = "Redis cannot fork for a snapshot when memory is short, and then refuses writes"
    table = {
        "net.core.rmem_max": (at_least(settings.socket_buffer_max), burst),
        "net.core.wmem_max": (at_least(settings.socket_buffer_max), burst),
        "net.core.rmem_default": (at_least(settings.socket_buffer_default), unasked),
        "net.core.wmem_default": (at_least(settings.socket_buffer_default), unasked),
        "net.core.netdev_max_backlog": (at_least(settings.backlog), backlog),
        "net.ipv4.tcp_rmem": (at_least(4096, 131072, 6291456), slow),
        "net.ipv4.tcp_wmem": (at_least(4096, 16384, 4194304), slow),
        "net.ipv4.tcp_slow_start_after_idle": (exactly("0"), silence),
        "net.ipv4.tcp_notsent_lowat": (at_most(131072), stale),
        CONNTRACK + "nf_conntrack_udp_timeout": (at_least(settings.udp_timeout), expired),
        CONNTRACK + "nf_conntrack_udp_timeout_stream": (at_least(settings.udp_timeout_stream), expired),
        "vm.swappiness": (at_most(10), swapped),
    }
    if settings.redis:
        table["vm.overcommit_memory"] = (exactly("1"), snapshot)
    for name, value in settings.extra.items():
        table[name] = (exactly(value), "kernel.extra asks for it in vain")
    return tuple(Key(name, value, without) for name, (value, without) in table.items())
