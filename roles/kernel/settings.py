"""Settings of kernel. Why each key is there stands in templates/kernel/60-livekit-metal.conf.j2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import PortRange

FILE = "/etc/sysctl.d/60-livekit-metal.conf"
MODULES = "/etc/modules-load.d/livekit-metal.conf"
RESERVED = "net.ipv4.ip_local_reserved_ports"

# Keys that a setting owns.
_OWNERS = {
    "net.core.rmem_max": "socket_buffer_max",
    "net.core.wmem_max": "socket_buffer_max",
    "net.core.rmem_default": "socket_buffer_default",
    "net.core.wmem_default": "socket_buffer_default",
    "net.core.netdev_max_backlog": "backlog",
    "net.netfilter.nf_conntrack_udp_timeout": "udp_timeout",
    "net.netfilter.nf_conntrack_udp_timeout_stream": "udp_timeout_stream",
    RESERVED: "the ports of the site",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Raised to at least these values, never lowered."""

    socket_buffer_max: int = option(16777216, "net.core.rmem_max and wmem_max, bytes: what livekit-server asks for")
    socket_buffer_default: int = option(1048576, "net.core.rmem_default and wmem_default, bytes: for all other sockets")
    backlog: int = option(5000, "net.core.netdev_max_backlog, packets: used with RPS and on virtual interfaces")
    udp_timeout: int = option(60, "net.netfilter.nf_conntrack_udp_timeout, seconds")
    udp_timeout_stream: int = option(180, "net.netfilter.nf_conntrack_udp_timeout_stream, seconds")
    extra: Mapping[str, str] = option({}, "other sysctl keys, set exactly as given")

    reserved: tuple[PortRange, ...] = derived(())  # net.ipv4.ip_local_reserved_ports
    relays: str = derived("")  # what relays' ports are called in the firewall's rules, without the slot
    rules: str = derived("")  # the file with those rules; what they name as relays stays reserved
    redis: bool = derived(False)  # a Redis runs here

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("socket_buffer_max", "socket_buffer_default", "backlog", "udp_timeout", "udp_timeout_stream"):
            if not 0 < getattr(self, name) < 2**31:
                yield Problem(f"{path}.{name}", f"is {getattr(self, name)}", "choose a number in 1-2147483647")
        for key, value in self.extra.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)+", key):
                yield Problem(f"{path}.extra", f"{key!r} is not a sysctl key", "write it as `sysctl -a` does")
            elif owner := _OWNERS.get(key):
                yield Problem(f"{path}.extra", f"{key} comes from {owner}", "set that instead")
            if not re.fullmatch(r"[ -~]+", value) or value != value.strip():
                yield Problem(f"{path}.extra.{key}", f"is {value!r}", "write one line, without blanks at its ends")
