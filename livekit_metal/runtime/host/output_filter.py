"""What a daemon that opens URLs of guests may not reach: metadata services of clouds, and link-local addresses.

Not by the unit's IPAddressDeny=: that knows no ports, and on some clouds (Google's, Azure's) the resolver in
/etc/resolv.conf has the address of the metadata service.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import ClassVar

from livekit_metal.runtime.host.files import File, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A table of nftables for one user. ``closed``: False where the site itself wants its daemon to ask there."""

    user: str
    redis: str = ""  # host:port; stays reachable wherever the site has it
    closed: bool = True

    # link-local (AWS, Azure, Google, OpenStack, Oracle, Hetzner ...), Alibaba, Azure's wire server, Oracle
    metadata4: ClassVar[tuple[str, ...]] = ("169.254.0.0/16", "100.100.100.200", "168.63.129.16", "192.0.0.192")
    # link-local; AWS, Google, Oracle and others at their own
    metadata6: ClassVar[tuple[str, ...]] = ("fe80::/10", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe")

    @property
    def table(self) -> str:
        return f"{self.user.replace('-', '_')}_output"

    @property
    def reachable(self) -> tuple[tuple[str, str, str], ...]:
        """Family (``ip``, ``ip6``), address and port of what the site has given an address to."""
        host, _, port = self.redis.rpartition(":")
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return ()
        return (("ip" if address.version == 4 else "ip6", str(address), port),)

    def file(self, directory: str) -> File:
        """The file of a generation in ``directory``; the slot's unit loads it before each start."""
        return File(f"{directory}/output.nft", text("runtime/output.nft.j2", output=self))
