"""Where a lab keeps things and what they are called: everything follows from its name and its checkout.

Interface names have 15 characters at most (IFNAMSIZ), hence the short lab names.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from lab.run import LabError

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_NAME = "lab"
MACHINE_WIDE = Path("/run/livekit-metal")  # claims, locks, the former ip_forward
NETWORKS = IPv4Network("10.90.0.0/16")  # each lab takes one /24
_NETWORKS6 = IPv6Network("fd90:6c6b:6d00::/48")  # and one of these /64 beside it
MOST_HOSTS = 99

_GATEWAY, _FIRST_HOST, _OUTSIDE = 1, 11, 250  # last byte of an address


@dataclass(frozen=True, slots=True)
class Lab:
    """Names and paths of one lab. Raises LabError for a name that no interface could carry."""

    name: str
    checkout: Path = CHECKOUT

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]{0,6}", self.name):
            raise LabError(
                f"--name {self.name}",
                "a lab's name has 1-7 of a-z and 0-9 and starts with a letter",
                "choose another, for example LAB=test2",
            )

    @property
    def dir(self) -> Path:
        return self.checkout / (".lab" if self.name == DEFAULT_NAME else f".lab-{self.name}")

    @property
    def mark(self) -> str:
        """What our bridge and table carry, so that nobody else's is ever taken for ours."""
        return f"livekit-metal lab {self.dir}"

    @property
    def bridge(self) -> str:
        return f"lkm-{self.name}"

    @property
    def new_bridge(self) -> str:
        """The bridge's name while it is half made."""
        return f"lkn-{self.name}"

    @property
    def table(self) -> str:
        return f"lkm_{self.name}"

    @property
    def outside(self) -> str:
        """The network namespace that is not a host of the lab."""
        return f"lkm-{self.name}"

    @property
    def outside_link(self) -> str:
        return f"lko-{self.name}"

    def machine(self, host: str) -> str:
        """systemd-nspawn's machine name; the bridge's end of the host's link is called ``vb-`` and this."""
        return f"{self.name}-{host}"

    def link(self, host: str) -> str:
        return f"vb-{self.machine(host)}"

    def host_dir(self, host: str) -> Path:
        return self.dir / "hosts" / host

    def root(self, host: str) -> Path:
        return self.host_dir(host) / "root"

    def boot_log(self, host: str) -> Path:
        return self.host_dir(host) / "boot.log"


def images() -> Path:
    """The cache of base images, outside every checkout."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "livekit-metal" / "images"


def host_names(count: int) -> tuple[str, ...]:
    """lk1, lk2 … Raises LabError for a number that a lab cannot have."""
    if not 1 <= count <= MOST_HOSTS:
        raise LabError("--hosts", f"is {count}", f"choose 1 to {MOST_HOSTS}")
    return tuple(f"lk{i}" for i in range(1, count + 1))


def gateway(network: IPv4Network) -> IPv4Address:
    return network[_GATEWAY]


def network6(network: IPv4Network) -> IPv6Network:
    """The IPv6 network beside a lab's (RFC 4193: for nobody else)."""
    return IPv6Network((int(_NETWORKS6.network_address) | network.network_address.packed[2] << 64, 64))


def beside(network: IPv4Network, address: IPv4Address) -> IPv6Address:
    """The IPv6 address of who has ``address``."""
    return network6(network)[int(address) - int(network.network_address)]


def outside_address(network: IPv4Network) -> IPv4Address:
    return network[_OUTSIDE]


def host_address(network: IPv4Network, host: str) -> IPv4Address:
    return network[_FIRST_HOST - 1 + int(host.removeprefix("lk"))]
