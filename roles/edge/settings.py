"""Settings of the edge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import PortRange, endpoint
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import CLIENT_SOURCE_ADDRESS
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.text import Domain, File, Network
from livekit_metal.roles.edge import validation
from livekit_metal.roles.edge.backends import Acme, Scraped, Scrapers, Slot, Streams
from livekit_metal.roles.edge.doors import Doors
from livekit_metal.roles.edge.services import Backend, Name
from livekit_metal.vault.certificate import Certificate, metric

UNIT = "livekit-edge.service"
_RUNTIME = "livekit-edge"  # directory below /run
SOCKET = f"/run/{_RUNTIME}/admin.sock"
_HTTPS = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Doors, Checked):
    """HAProxy on each host that has a slot of livekit-server, or a daemon that needs one."""

    user: ClassVar[str] = "haproxy"  # made by Debian's package
    runtime: ClassVar[str] = _RUNTIME
    awaited: ClassVar[str] = CLIENT_SOURCE_ADDRESS
    open_files: ClassVar[int] = 1048576  # asked for in the unit; a host may give less

    tls: Literal["off", "provided", "internal", "acme"] = option(
        "off",
        "off: plain HTTP on the http port, TLS in front is yours; provided: your certificate; "
        "internal: a CA of the site's own, for clients that you can tell to trust it; acme: hosts get theirs from a CA",
    )
    domain: Domain = option("", "name of the site for clients; with tls 'internal' they may also use a host's address")
    names: tuple[Domain, ...] = option((), "more names for the same")
    path_prefix: str = option(
        "",
        "path below which clients find LiveKit, such as /livekit, for a site that shares its name; a request without "
        "it is served too",
    )
    certificate: File = option(
        "",
        "tls 'provided': file with the certificate and those between it and its CA (PEM); relative paths start at the "
        "inventory, {host} is the host's name",
    )
    key: File = option("", "tls 'provided': file with its key (PEM, without a passphrase)")
    certificate_days: int = option(
        365, "tls 'internal': days that a certificate lives; a deploy makes another when less than a third is left"
    )
    warn_days: int = option(21, "a deploy says so when fewer days are left of a certificate")
    hsts_days: int = option(0, "days that browsers shall use nothing but TLS (Strict-Transport-Security); 0: not said")
    https: PortRange = option(PortRange(443, 443), "everything over TLS, told apart by name")
    redirect: PortRange = option(PortRange(80, 80), "plain HTTP that only leads to https, and answers ACME; with tls")
    http: PortRange = option(
        PortRange(7880, 7880), "signalling and API in plain HTTP: for clients with tls 'off', else for the host itself"
    )
    peer: PortRange = option(PortRange(7870, 7870), "the same for the edges of other hosts, never forwarded further")
    rtmp: PortRange = option(PortRange(1935, 1935), "RTMP for encoders, where the site takes streams")
    rtmp_peer: PortRange = option(PortRange(7871, 7871), "the same for the edges of other hosts")
    metrics: PortRange = option(
        PortRange(8404, 8404), "metrics of HAProxy and, below /livekit/SLOT and so on, of the slots"
    )
    turn: PortRange = option(
        PortRange(7872, 7872),
        "tls 'off' with proxies and livekit.turn.domain: TURN over TCP for your proxies, which speak TLS for that name",
    )
    turn_proxy_protocol: bool = option(
        False, "your proxies say by the PROXY protocol whose connection it is, on the port for TURN"
    )
    address: tuple[str, ...] = option(
        (),
        "addresses that clients come to, where others have 80 and 443 on the rest; address, ipv6 and cluster stand for "
        "what hosts.NAME says; empty: every address (with tls 'off' and proxies on the host itself: loopback)",
    )
    proxies: tuple[Network, ...] = option(
        (),
        "networks of your TLS proxies: believed about the client's address; with tls 'off' nobody else may connect",
    )
    ca_file: File = option(
        "",
        "tls 'off' with proxies: file with the private CA that your proxy's certificate is from (PEM), relative to the "
        "inventory; for the calls of deploys and of the doctor",
    )
    backends: Mapping[Name, Backend] = option(
        {}, "other services behind the edge, by a name of your choice: by names of their own, by paths, or both"
    )
    max_connections: int = option(20000, "connections at once, if the host's file-descriptor limit allows them")
    max_per_address: int = option(
        1000,
        "connections at once from one IPv4 address, which may be that of a whole office, or one /64 of IPv6 (of a /48 "
        "four times as many); a tenth of it while the edge is three quarters full, a hundredth from nine tenths on; "
        "0 = no limit",
    )
    max_rate_per_address: int = option(
        200, "new connections a second from one address or /64, taken over 10 seconds; 0 = no limit"
    )
    request_within: Duration = option(
        Duration.parse("10s"),
        "time for a TLS handshake, for the head of a request and for its body; and the longest that a client may "
        "neither send nor take anything in between (a WebSocket may)",
    )
    hard_stop_after: Duration = option(
        Duration.parse("5h"), "how long an old HAProxy worker may live for its WebSockets after a reload"
    )

    listens: tuple[str, ...] = derived(())  # the addresses that edge.address means here
    cluster_address: str = derived("")  # of this host
    slots: tuple[Slot, ...] = derived(())  # of livekit-server; none where only its clients run
    others: tuple[Scraped, ...] = derived(())  # slots of the other daemons
    streams: Streams | None = derived(None)  # None: the site takes no streams
    slot_unit: str = derived("")  # name of a slot's unit, with {} for the slot
    callers: tuple[str, ...] = derived(())  # roles whose hosts have edges
    peers: Mapping[str, str] = derived({})  # host -> cluster address of the other edges
    config_root: str = derived("")
    active: Active = derived(Active())
    monitored: bool = derived(False)  # a Prometheus scrapes this host
    metrics_address: str = derived("")  # where it does, if not at cluster_address
    metrics_clients: tuple[str, ...] = derived(("prometheus",))  # see Port.clients
    scrapers: Scrapers | None = derived(None)
    served: Certificate | None = derived(None)  # with tls provided or internal
    acme: Acme | None = derived(None)  # with tls acme
    turn_name: str = derived("")  # leads to TURN here; '' for no TURN over TLS
    turn_address: str = derived("")  # where slots have it

    # What only the host knows; roles/edge/tasks.py fills it in from a look.
    connections: int = derived(0)  # max_connections, or what the host's limit allows
    ipv6: bool = derived(False)  # the host's kernel has it
    description: str = derived("")  # names this very configuration; the running HAProxy reports it

    @property
    def scraped(self) -> tuple[Scraped, ...]:
        """Every slot whose metrics can be had here."""
        own = (Scraped(component="livekit", slot=s.name, port=s.metrics) for s in self.slots)
        return (*own, *self.others)

    @property
    def certificate_file(self) -> str:
        """Where the certificate of now is: of ours each has a file of its own, so that none is ever written over."""
        if self.acme:
            return self.acme.file
        return f"{self.config_root}/edge/cert-{self.served.fingerprint}.pem" if self.served else ""

    @property
    def others_have_names(self) -> bool:
        """Whether a name leads to something else than LiveKit."""
        return any(each.names for each in self.backends.values())

    @property
    def authorities(self) -> Mapping[str, str]:
        """Backend -> file with the CA of its own: another CA is another file, and another configuration."""
        found = {name: each.ca for name, each in self.backends.items() if each.ca}
        root = f"{self.config_root}/edge"
        return {name: f"{root}/ca-{hashlib.sha256(ca.encode()).hexdigest()[:16]}.pem" for name, ca in found.items()}

    @property
    def metric(self) -> str:
        """When the certificate ends, for Prometheus, as one line of HAProxy's configuration."""
        return "\\n".join((*metric(self.served.not_after), "")) if self.served else ""

    def inner(self, what: str) -> str:
        """The socket that leads from who reads the name to who speaks TLS for it; nobody else may open it."""
        return f"{self.active.socket.rpartition('/')[0]}/{what}.sock"

    @property
    def config_file(self) -> str:
        return f"{self.config_root}/edge/haproxy.cfg"

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Where the cluster reaches this host: ``peer``, ``rtmp_peer`` and ``metrics`` as address:port."""
        at = {"metrics": self.metrics_address or self.cluster_address}
        names = ("peer", "rtmp_peer", "metrics")
        return {name: endpoint(at.get(name, self.cluster_address), getattr(self, name).first) for name in names}

    @property
    def peer_endpoints(self) -> Mapping[str, str]:
        """Host -> address:port of the other edges."""
        return {host: endpoint(address, self.peer.first) for host, address in self.peers.items()}

    def stream_peers(self, port: PortRange) -> Mapping[str, str]:
        """Host -> address:port of the other edges that have slots for streams."""
        peers = self.streams.peers if self.streams else {}
        return {host: endpoint(address, port.first) for host, address in peers.items()}

    @property
    def turn_servers(self) -> Mapping[str, str]:
        """Slot -> address:port of its TURN, and how it is spoken to there.

        It believes the header from this host's own address alone, which is the source only when HAProxy says so: the
        kernel would take the first of an interface.
        """
        header = f" send-proxy-v2 source {endpoint(self.turn_address, 0)}"
        return {
            slot.name: endpoint(self.turn_address, slot.turn) + (header if slot.header else "")
            for slot in self.slots
            if slot.turn
        }

    @property
    def https_suffix(self) -> str:
        """What a URL needs after its host."""
        return "" if self.https.first == _HTTPS else f":{self.https}"

    @property
    def url_suffix(self) -> str:
        """What a client's https or wss URL has after its host."""
        return self.https_suffix + self.path_prefix

    @property
    def hsts_seconds(self) -> int:
        return self.hsts_days * 86400

    def problems(self, path: str) -> Iterator[Problem]:
        yield from validation.problems(self, path)
