"""A certificate as the edge serves it. certificates.py makes and reads them; a site without TLS never loads that."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from dataclasses import dataclass

from livekit_metal.core.types.secret import Secret

DAY = 86400
_METRIC = "livekit_edge_certificate_not_after_timestamp_seconds"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf with its key: ``chain`` is PEM, the leaf first; times are seconds since 1970."""

    chain: str
    key: Secret
    names: tuple[str, ...]  # DNS names (also with a wildcard) and addresses that it is for
    not_before: int
    not_after: int

    @property
    def pem(self) -> Secret:
        """Key and chain as HAProxy reads them from one file."""
        return Secret(self.key.label, self.key.reveal() + self.chain)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with the chain (a new key makes a new chain)."""
        return hashlib.sha256(self.chain.encode()).hexdigest()[:16]

    def covers(self, name: str) -> bool:
        """Whether a client that asked for ``name`` takes it (RFC 6125: a wildcard stands for one first label)."""
        wanted = name.lower().rstrip(".")
        _, dot, rest = wanted.partition(".")
        known = {each.lower() for each in self.names}
        return wanted in known or (address(wanted) is None and bool(dot) and f"*.{rest}" in known)

    def days_left(self, now: float) -> int:
        """Whole days until it ends; negative once it has."""
        return int((self.not_after - now) // DAY)

    @property
    def ends(self) -> str:
        """The day that it ends on."""
        return day(self.not_after)


def day(moment: float) -> str:
    """The day of ``moment`` (seconds since 1970), UTC."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date().isoformat()


def metric(not_after: int | str) -> tuple[str, ...]:
    """The lines for Prometheus about the certificate that an edge serves."""
    return (
        f"# HELP {_METRIC} When the certificate that clients get ends.",
        f"# TYPE {_METRIC} gauge",
        f"{_METRIC} {not_after}",
    )


def address(name: str) -> Address | None:
    """``name`` as an IP address, if it is one."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
