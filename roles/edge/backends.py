"""What stands behind the edge of a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A slot as HAProxy reaches it: its ports on loopback, and that of TURN on the host's own address."""

    name: str
    signal: int
    metrics: int
    turn: int = 0  # none: a slot from before there was TURN
    header: bool = False  # its TURN wants to be told by the PROXY protocol whose connection it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """A slot whose metrics Prometheus gets through the edge, at /COMPONENT/SLOT; without slots, at /COMPONENT."""

    component: str
    slot: str
    port: int

    @property
    def path(self) -> str:
        return f"/{self.component}/{self.slot}" if self.slot else f"/{self.component}"

    @property
    def backend(self) -> str:
        return f"metrics_{self.component}_{self.slot}" if self.slot else f"metrics_{self.component}"


def scraped(component: str, settings: Any) -> tuple[Scraped, ...]:
    """The slots of a daemon, by the settings of its role."""
    return tuple(
        Scraped(component=component, slot=slot, port=settings.part("metrics", slot).first) for slot in settings.slots
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrapers:
    """A Prometheus of the operator's, which logs in and gets the metrics of everything on the host."""

    user: str
    digests: tuple[str, ...]  # SHA-256 of its passwords (two while they are rotated), in capitals
    ours: tuple[str, ...]  # addresses that need not log in
    others: Mapping[str, str]  # "node" -> address:port of its exporter


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSlot:
    """A slot that takes streams, as HAProxy reaches it: its ports on loopback."""

    name: str
    rtmp: int
    whip: int
    health: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What takes streams in the site: slots of this host, and the edges of the other hosts that have some."""

    slots: tuple[StreamSlot, ...] = ()
    unit: str = ""  # name of a slot's unit, with {} for the slot
    peers: Mapping[str, str] = field(default_factory=dict)  # host -> cluster address


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """Where the host puts the certificate that it gets by ACME, and what answers for it."""

    config_root: str
    thumbprint: str = ""  # of the account; '' where nobody asks over HTTP

    @property
    def file(self) -> str:
        """Key and certificate; a renewal takes its place."""
        return f"{self.config_root}/edge/acme.pem"

    @property
    def metric_file(self) -> str:
        """When it ends, for Prometheus."""
        return f"{self.config_root}/edge/acme.prom"
