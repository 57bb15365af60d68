"""Settings of the edge."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from stack.active import Active
from stack.duration import Duration
from stack.errors import Problem
from stack.fields import Checked, given, option
from stack.host import CALLERS
from stack.ports import Port, PortRange, Proto, Reach, endpoint

UNIT = "livekit-edge.service"
_RUNTIME = "livekit-edge"  # directory below /run
SOCKET = f"/run/{_RUNTIME}/admin.sock"
_SPARE_FILES = 1000  # listeners, health checks, threads, the master's end of a reload


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A slot as HAProxy reaches it: its ports on loopback."""

    name: str
    signal: int
    metrics: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """A slot whose metrics Prometheus gets through the edge, at /COMPONENT/SLOT."""

    component: str
    slot: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSlot:
    """A slot of ingress as HAProxy reaches it: its ports on loopback."""

    name: str
    rtmp: int
    whip: int
    health: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What takes streams (ingress) in the site: slots of this host, and the edges of the other hosts that have some."""

    slots: tuple[StreamSlot, ...] = ()
    unit: str = ""  # name of a slot's unit, with {} for the slot
    peers: Mapping[str, str] = field(default_factory=dict)  # host -> cluster address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """HAProxy on each host that has a slot of livekit-server, or a daemon that needs one."""

    user: ClassVar[str] = "haproxy"  # made by Debian's package
    runtime: ClassVar[str] = _RUNTIME
    open_files: ClassVar[int] = 1048576  # asked for in the unit; a host may give less

    tls: Literal["off"] = option("off", "plain HTTP on the http port; TLS in front is yours")
    http: PortRange = option(PortRange(7880, 7880), "signalling and API for clients")
    peer: PortRange = option(PortRange(7870, 7870), "the same for the edges of other hosts, never forwarded further")
    rtmp: PortRange = option(PortRange(1935, 1935), "RTMP for encoders, where the site has ingress")
    rtmp_peer: PortRange = option(PortRange(7871, 7871), "the same for the edges of other hosts")
    metrics: PortRange = option(
        PortRange(8404, 8404), "metrics of HAProxy and, below /livekit/SLOT and so on, of the slots"
    )
    proxies: tuple[str, ...] = option((), "networks of your TLS proxies: believed about the client's address")
    max_connections: int = option(20000, "connections at once, if the host's file-descriptor limit allows them")
    hard_stop_after: Duration = option(
        Duration.parse("5h"), "how long an old HAProxy worker may live for its WebSockets after a reload"
    )

    address: str = given("")  # of this host in the cluster
    slots: tuple[Slot, ...] = given(())  # of livekit-server; none where only its clients run
    others: tuple[Scraped, ...] = given(())  # slots of the other daemons
    streams: Streams | None = given(None)  # None: the site has no ingress
    slot_unit: str = given("")  # name of a slot's unit, with {} for the slot
    peers: Mapping[str, str] = given({})  # host -> cluster address of the other edges
    config_root: str = given("")
    active: Active = given(Active())
    monitored: bool = given(False)  # a Prometheus scrapes this host

    # What only the host knows; roles/edge/tasks.py fills it in from a look.
    connections: int = given(0)  # max_connections, or what the host's limit allows
    ipv6: bool = given(False)  # the host's kernel has it
    description: str = given("")  # names this very configuration; the running HAProxy reports it

    def ports(self) -> Iterator[Port]:
        reach = Reach.PUBLIC if self.public else Reach.LOCAL
        yield Port("edge", "http", Proto.TCP, self.http, reach, "signalling (WebSocket) and API", "edge.http")
        if self.local:
            purpose, clients = "signalling from peers' edges", CALLERS
            yield Port("edge", "peer", Proto.TCP, self.peer, Reach.CLUSTER, purpose, "edge.peer", clients)
        if self.streams:
            yield Port("edge", "rtmp", Proto.TCP, self.rtmp, Reach.PUBLIC, "RTMP", "edge.rtmp")
            if self.streams.slots:
                port, purpose = self.rtmp_peer, "RTMP from peers' edges"
                yield Port("edge", "rtmp-peer", Proto.TCP, port, Reach.CLUSTER, purpose, "edge.rtmp_peer", CALLERS)
        if self.monitored:
            purpose, scrapers = "metrics of HAProxy and slots", ("prometheus",)
            yield Port("edge", "metrics", Proto.TCP, self.metrics, Reach.CLUSTER, purpose, "edge.metrics", scrapers)

    @property
    def scraped(self) -> tuple[Scraped, ...]:
        """Every slot whose metrics can be had here."""
        own = (Scraped(component="livekit", slot=s.name, port=s.metrics) for s in self.slots)
        return (*own, *self.others)

    @property
    def public(self) -> bool:
        """Whether clients come here."""
        return bool(self.slots or self.streams)

    @property
    def local(self) -> bool:
        """Whether there is anything here for the edges of other hosts."""
        return bool(self.slots or (self.streams and self.streams.slots))

    @property
    def config_file(self) -> str:
        return f"{self.config_root}/edge/haproxy.cfg"

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Where the cluster reaches this host: ``peer``, ``rtmp_peer`` and ``metrics`` as address:port."""
        return {name: endpoint(self.address, getattr(self, name).first) for name in ("peer", "rtmp_peer", "metrics")}

    @property
    def peer_endpoints(self) -> Mapping[str, str]:
        """Host -> address:port of the other edges."""
        return {host: endpoint(address, self.peer.first) for host, address in self.peers.items()}

    def stream_peers(self, port: PortRange) -> Mapping[str, str]:
        """Host -> address:port of the other edges that have a slot of ingress."""
        peers = self.streams.peers if self.streams else {}
        return {host: endpoint(address, port.first) for host, address in peers.items()}

    @property
    def client_connections(self) -> int:
        """Connections that clients may hold: some are kept back, so that a full edge can still be scraped."""
        return self.connections - min(100, self.connections // 10)

    def connections_within(self, open_files: int) -> int:
        """Connections that ``open_files`` file descriptors allow; a relayed connection needs two."""
        return min(self.max_connections, (min(open_files, self.open_files) - _SPARE_FILES) // 2)

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("http", "peer", "rtmp", "rtmp_peer", "metrics"):
            if len(getattr(self, name)) != 1:
                yield Problem(f"{path}.{name}", f"is a range ({getattr(self, name)})", "give one port")
        for i, network in enumerate(self.proxies):
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                yield Problem(f"{path}.proxies[{i}]", str(error), "write a network such as '192.0.2.7/32'")
        if self.max_connections < 100:
            yield Problem(f"{path}.max_connections", f"is {self.max_connections}", "allow at least 100")
        if self.hard_stop_after < 60:
            yield Problem(f"{path}.hard_stop_after", f"is {self.hard_stop_after}", "give WebSockets at least a minute")
