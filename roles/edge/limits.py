"""How the edge shares its connections: between frontends, and between those who connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from livekit_metal.roles.edge.backends import Streams

_SPARE_FILES = 1000  # listeners, health checks, threads, the master's end of a reload


class Limits:
    """What follows from the limits in the settings; they are for one host, whose process makes them up."""

    __slots__ = ()

    if TYPE_CHECKING:
        open_files: ClassVar[int]
        max_connections: int
        max_per_address: int
        max_rate_per_address: int
        connections: int
        streams: Streams | None

        @property
        def serves_tls(self) -> bool: ...
        @property
        def turn_door(self) -> bool: ...

    @property
    def client_connections(self) -> int:
        """Connections that clients may hold: some are kept back, so that a full edge can still be scraped."""
        return self.connections - min(100, self.connections // 10)

    @property
    def process_connections(self) -> int:
        """HAProxy's own count: over TLS a client's connection comes by twice."""
        own = self.connections * 2 + self.redirect_connections if self.serves_tls else self.connections
        if self.turn_door:  # as many for TURN as for signalling
            own += self.connections
        return own + (self.stream_connections if self.streams else 0)

    @property
    def stream_connections(self) -> int:
        """Connections for RTMP, beside those of clients: neither can take the other's."""
        return self.connections // 10

    @property
    def streams_each(self) -> int:
        """Connections for RTMP that one address may have."""
        return min(self.max_per_address, max(self.stream_connections // 2, 1))

    @property
    def redirects_each(self) -> int:
        """Connections to what leads to https that one address may have: a CA must get through, too."""
        return min(self.max_per_address, max(self.redirect_connections // 10, 2))

    @property
    def per_network(self) -> int:
        """What a /48 may have: a customer is often given 256 networks of IPv6, or more."""
        return self.max_per_address * 4

    @property
    def crowded(self) -> tuple[tuple[int, int], ...]:
        """(connections of all, what one address may then have): a few addresses do not keep out the rest."""
        whole, each = self.client_connections, self.max_per_address
        return ((whole * 3 // 4, max(each // 10, 1)), (whole * 9 // 10, max(each // 100, 1)))

    @property
    def max_rate(self) -> int:
        """New connections in 10 seconds."""
        return self.max_rate_per_address * 10

    @property
    def redirect_connections(self) -> int:
        """Connections that may wait to be told of https; few, so that they are in nobody's way."""
        return self.connections // 40

    def connections_within(self, open_files: int) -> int:
        """Connections that ``open_files`` file descriptors allow: two for each time that one comes by.

        Those for RTMP are a tenth of them, and beside them.
        """
        each = (40 if self.serves_tls or self.turn_door else 20) + (2 if self.streams else 0)  # tenths
        return min(self.max_connections, (min(open_files, self.open_files) - _SPARE_FILES) * 10 // each)
