"""Who listens on a host: sockets, as ``ss -Hlntup --cgroup`` tells, and tunnels of the kernel, which have none."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from livekit_metal.core import shell
from livekit_metal.core.ports import Proto
from livekit_metal.runtime.host.state import SYSTEM

_UNIT = re.compile(rf"cgroup:{SYSTEM}(?P<unit>[^/\s]+)\s*$")
_ANY = {"*", "0.0.0.0", "::"}  # noqa: S104 - as ss writes it

LINKS = shell.program(__file__, "links")
# By the kind of a link, what it travels in; '' where that is UDP or TCP.
TUNNELS: Mapping[str, str] = {
    **dict.fromkeys(("gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan"), "gre"),
    **dict.fromkeys(("vti", "vti6", "xfrm"), "esp"),
    **dict.fromkeys(("ipip",), "ipip"),
    **dict.fromkeys(("sit", "ip6tnl"), "ipv6"),
    **dict.fromkeys(("wireguard", "tun", "vxlan", "geneve", "bareudp", "amt", "ovpn"), ""),
}


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that waits for others, as ``ss -lntup --cgroup`` shows it. ``program`` is '' for the kernel's own."""

    proto: Proto
    address: str  # "" where it is any
    interface: str
    port: int
    unit: str
    program: str
    process: str

    def __str__(self) -> str:
        return f"{self.port}/{self.proto}"

    @property
    def who(self) -> str:
        return f"{self.program} (process {self.process})" if self.program else ""

    @property
    def for_the_host_alone(self) -> bool:
        if not self.address:
            return self.interface == "lo"
        address = ipaddress.ip_address(self.address)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback or self.interface == "lo"


def parse(lines: Iterable[str]) -> Iterator[Listener]:
    """What ss said; a line of another form is passed over."""
    for line in lines:
        words = line.split()
        host, _, number = (words[4] if len(words) > 4 else "").rpartition(":")
        if not number.isdigit() or words[0] not in set(Proto):
            continue
        address, _, interface = (part.strip("[]") for part in host.partition("%"))
        program = re.search(r'users:\(\("([^"]+)",pid=(\d+)', line)
        yield Listener(
            proto=Proto(words[0]),
            address="" if address in _ANY else address,
            interface=interface,
            port=int(number),
            unit=unit["unit"] if (unit := _UNIT.search(line)) else "",
            program=program[1] if program else "",
            process=program[2] if program else "",
        )


def kinds(lines: Iterable[str]) -> dict[str, str]:
    """Links that are up, with their kind ('' for what is no virtual one), from an answer to LINKS."""
    found: dict[str, str] = {}
    for line in lines:
        word, _, text = line.partition(" ")
        if word == "links" and text:
            up = [link for link in json.loads(text) if "ifname" in link]  # ip leaves {} for each that is down
            found |= {link["ifname"]: link.get("linkinfo", {}).get("info_kind", "") for link in up}
    return found


def raw(lines: Iterable[str]) -> dict[str, str]:
    """What of tunnels travels neither in TCP nor in UDP: by protocol, whose it is; from an answer to LINKS."""
    said = tuple(lines)
    found = {TUNNELS[kind]: f"interface {name}" for name, kind in kinds(said).items() if TUNNELS.get(kind)}
    return found | {line.split()[1]: "IPsec" for line in said if line.startswith("ipsec ")}
