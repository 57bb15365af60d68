"""What is to be examined from outside: the places that clients go to, and what is known of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from livekit_metal.call.access import Access
from livekit_metal.core.ports import Port, Proto, Reach
from livekit_metal.core.types.quality import Quality
from livekit_metal.roles.edge.backends import Slot
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.exporters.settings import Settings as Exporters
from livekit_metal.roles.firewall.settings import Settings as Firewall
from livekit_metal.roles.livekit.settings import MEDIA
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.prometheus.settings import Settings as Prometheus
from livekit_metal.roles.redis.settings import Settings as Redis

Closed = Mapping[str, int]  # "redis/redis" -> port


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """``nodes`` are livekit-servers by host, where they are known; ``closed`` the ports that nobody outside may reach,
    by address; ``beyond`` those that no relay may reach ("firewall/ssh tcp" -> port), likewise; ``addresses`` those
    that the URL's name may have (empty: any); ``turn`` is the name of TURN over TLS by host ('': TURN over UDP only);
    ``tcp`` says whether there must be ICE over TCP; ``unfiltered`` are the addresses where no filter of ours is
    (firewall.mode); ``admitted`` are the networks that may reach a closed port all the same, by its name
    (exporters.networks, edge.proxies); ``quality`` is what calls must have; ``here`` is what this place is called.
    """

    access: Access
    nodes: Mapping[str, str] = field(default_factory=dict)
    closed: Mapping[str, Closed] = field(default_factory=dict)
    beyond: Mapping[str, Closed] = field(default_factory=dict)
    addresses: Sequence[str] = ()
    turn: Mapping[str, str] = field(default_factory=dict)
    tcp: bool = True
    unfiltered: Sequence[str] = ()
    admitted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    quality: Quality = Quality()
    here: str = "here"

    @classmethod
    def of(cls, access: Access) -> Subject:
        """What a file with URL and keys tells: the ports are those of a site that moves none."""
        address = urlsplit(access.url).hostname or ""
        addresses = [host.address for host in access.hosts.values()] or [address]
        ports = _usual_ports()
        closed, beyond = shut(ports), no_relays(ports)
        return cls(access=access, closed=dict.fromkeys(addresses, closed), beyond=dict.fromkeys(addresses, beyond))

    @property
    def places(self) -> dict[str, str | None]:
        """By what rows are about, the host to go through: every host that serves, and the URL if it leads elsewhere.

        A host whose node is known and that no URL leads to alone is reached by the site's (None).
        """
        hosts = self.access.hosts
        found = {name: name if hosts[name].url else None for name in hosts if hosts[name].url or name in self.nodes}
        return found if self.access.url in {host.url for host in hosts.values()} else {"": None, **found}

    def to_json(self) -> str:
        """For :meth:`from_json` in another process; it holds the secret."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Subject:
        data: dict[str, Any] = json.loads(text)
        return cls(
            **data | {"access": Access.parse(data["access"], "standard input"), "quality": Quality(**data["quality"])}
        )


def shut(ports: Sequence[Port]) -> Closed:
    """What of a registry nobody outside may reach. TCP only: of UDP, silence says nothing.

    ADMIN is not in it: who runs this may be one.
    """
    return {
        f"{port.owner}/{port.name}": number
        for port in ports
        if port.proto is Proto.TCP and port.reach in (Reach.CLUSTER, Reach.LOCAL)
        for number in range(port.range.first, port.range.last + 1)
    }


def admitted(ports: Sequence[Port], networks: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """The networks of others that reach ports of a registry, by the names of :func:`shut`.

    ``networks`` has them by the names that ``Port.clients`` has for them.
    """
    return {
        f"{port.owner}/{port.name}": [each for client in port.clients for each in networks.get(client, ())]
        for port in ports
        if any(client in networks for client in port.clients)
    }


def no_relays(ports: Sequence[Port]) -> Closed:
    """What of a registry a relay must not reach, the first of each range: all but media."""
    return {
        f"{port.owner}/{port.name} {port.proto}": port.range.first
        for port in ports
        if not f"{port.owner}/{port.name}".startswith(f"{MEDIA}-")
    }


def _usual_ports() -> list[Port]:
    redis = Redis(bind=("127.0.0.1",))
    exporters = Exporters(redis_address="any")
    livekit = Livekit()
    slot = Slot(name="a", signal=livekit.signal.first, metrics=livekit.metrics.first)
    roles = (redis, livekit, Edge(slots=(slot,), monitored=True), exporters, Prometheus())
    return [*Firewall().ports_of_own(), *(port for role in roles for port in role.ports())]
