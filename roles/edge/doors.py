"""Where clients come in: the addresses and ports of the edge, and who may connect to them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from livekit_metal.core.ports import Port, PortRange, Proto, Reach, endpoint
from livekit_metal.roles.edge.limits import Limits

if TYPE_CHECKING:
    from livekit_metal.roles.edge.backends import Slot

PROXIES = "proxies"  # networks that Port.clients names so: edge.proxies
EACH = ("address", "ipv6", "cluster")  # in edge.address: what hosts.NAME says
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def is_loopback(network: str) -> bool:
    return ipaddress.ip_network(network).is_loopback


class Doors(Limits):
    """What follows from edge.address, edge.tls and edge.proxies."""

    __slots__ = ()

    if TYPE_CHECKING:
        tls: str
        proxies: tuple[str, ...]
        listens: tuple[str, ...]
        slots: tuple[Slot, ...]
        callers: tuple[str, ...]
        ipv6: bool
        monitored: bool
        metrics_clients: tuple[str, ...]
        turn_name: str
        https: PortRange
        redirect: PortRange
        http: PortRange
        peer: PortRange
        rtmp: PortRange
        rtmp_peer: PortRange
        metrics: PortRange
        turn: PortRange

    def ports(self) -> Iterator[Port]:
        what, proxies = "signalling (WebSocket) and API", (PROXIES,)
        if self.serves_tls:
            yield self._port("https", Reach.PUBLIC, f"{what} over TLS")
            yield self._port("redirect", Reach.PUBLIC, "leads to https, answers ACME")
        if self.proxied:
            yield self._port("http", Reach.CLUSTER, what, proxies)
        else:
            yield self._port("http", Reach.PUBLIC if self.public and not self.encrypted else Reach.LOCAL, what)
        if self.turn_door:
            yield self._port("turn", Reach.CLUSTER, "TURN over TCP, for proxies that speak TLS", proxies)
        if self.local:
            yield self._port("peer", Reach.CLUSTER, "signalling from peers' edges", self.callers)
        if self.streams:
            yield self._port("rtmp", Reach.PUBLIC, "RTMP")
            if self.streams.slots:
                yield self._port("rtmp_peer", Reach.CLUSTER, "RTMP from peers' edges", self.callers)
        if self.monitored:
            yield self._port("metrics", Reach.CLUSTER, "metrics of HAProxy and slots", self.metrics_clients)

    def _port(self, setting: str, reach: Reach, purpose: str, clients: tuple[str, ...] = ()) -> Port:
        """A port of ours; one that is bound to loopback alone is for the host itself."""
        at: tuple[str, ...] = ()
        if reach is Reach.PUBLIC or clients == (PROXIES,):
            at = self._addresses(setting)
            if at and all(map(is_loopback, at)):
                reach, clients = Reach.LOCAL, ()
        numbers: PortRange = getattr(self, setting)
        name = setting.replace("_", "-")
        return Port("edge", name, Proto.TCP, numbers, reach, purpose, f"edge.{setting}", clients, at)

    @property
    def public(self) -> bool:
        """Whether clients come here."""
        return bool(self.slots or self.streams)

    @property
    def local(self) -> bool:
        """Whether there is anything here for the edges of other hosts."""
        return bool(self.slots or (self.streams and self.streams.slots))

    @property
    def encrypted(self) -> bool:
        return self.tls != "off"

    @property
    def serves_tls(self) -> bool:
        """Whether clients come here over TLS."""
        return self.encrypted and self.public

    @property
    def proxied_site(self) -> bool:
        """Whether clients come by a proxy of the operator's, and nobody else may."""
        return not self.encrypted and bool(self.proxies)

    @property
    def proxied(self) -> bool:
        """Whether that is so on this host."""
        return self.public and self.proxied_site

    @property
    def turn_door(self) -> bool:
        """Whether such a proxy finds TURN here, at the same port whichever slot is active."""
        return self.proxied and bool(self.turn_name and self.slots)

    def _addresses(self, setting: str) -> tuple[str, ...]:
        """Those that a door of clients is bound to; none: every one of the host."""
        if setting in ("http", "turn") and self.proxied and not self.listens and all(map(is_loopback, self.proxies)):
            versions = {ipaddress.ip_network(each).version for each in self.proxies} | {4}
            return tuple(_LOOPBACK[each] for each in sorted(versions) if each == 4 or self.ipv6)
        own = _LOOPBACK[4]
        if setting == "http" and self.listens and own not in self.listens:
            return (*self.listens, own)  # for the host's own services
        return self.listens

    def binds(self, setting: str) -> list[str]:
        """What HAProxy binds for a door of clients."""
        port: int = getattr(self, setting).first
        if at := self._addresses(setting):
            return [endpoint(address, port) for address in at]
        return [f"*:{port}", *([f":::{port} v6only"] if self.ipv6 else [])]

    def answers_at(self, setting: str) -> str:
        """address:port where the host itself reaches a door of clients."""
        return endpoint(next(iter(self._addresses(setting)), _LOOPBACK[4]), getattr(self, setting).first)
