"""A TURN server on this machine's loopback that takes what a client sends one way, and no other, to LiveKit.

The native SDK has no switch for a path. But told to use relays only, with this one as the only relay, every packet of
its media goes through here: on as UDP, or as ICE over TCP (RFC 4571 frames to the port that the server announces, which
takes the client's connectivity checks there as from any client). So a path is forced without root and without a
firewall, with the real client and its real media. It listens on loopback for the length of a call, with a password of
its own, and goes only to addresses that the server announced.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from livekit_metal.call import stun
from livekit_metal.call.join_info import IceServer
from livekit_metal.call.quality.figures import Traffic
from livekit_metal.call.stun import Address, Attribute, Message, Method

_CHANNEL = struct.Struct("!HH")  # number, length (RFC 8656, 12.4)
_FRAME = struct.Struct("!H")  # length (RFC 4571)
_LIFETIME = 600  # s
_MOST = 1 << 16  # bytes held back for a TCP peer that does not take them; media that waits is worth nothing
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_USER, _REALM = "call", "loopback"


Take = Callable[[bytes], None]  # what came back


class Peer(Protocol):
    """The way to one address, which alone may answer."""

    def send(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class Way(Protocol):
    """How what is meant for ``peer`` gets to it."""

    async def open(self, peer: Address, take: Take) -> Peer: ...


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Take) -> None:
        self._take = take

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, _: Address) -> None:
        self._take(data)

    def error_received(self, _: Exception) -> None:
        pass  # an ICMP message: whether anything gets through shows at the next check

    def send(self, data: bytes) -> None:
        self._transport.sendto(data)

    def close(self) -> None:
        self._transport.close()


class Udp:
    """As UDP, as it is."""

    async def open(self, peer: Address, take: Take) -> Peer:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_datagram_endpoint(lambda: _Datagrams(take), remote_addr=peer)
        return made


class _Frames:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, take: Take) -> None:
        self._reader, self._writer = reader, writer
        self._reading = asyncio.create_task(self._read(take))

    async def _read(self, take: Take) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                (length,) = _FRAME.unpack(await self._reader.readexactly(_FRAME.size))
                take(await self._reader.readexactly(length))

    def send(self, data: bytes) -> None:
        if self._writer.transport.get_write_buffer_size() < _MOST:
            self._writer.write(_FRAME.pack(len(data)) + data)

    def close(self) -> None:
        self._reading.cancel()
        self._writer.close()


@dataclass(frozen=True, slots=True)
class IceTcp:
    """In TCP, to where the server takes it: a connection for each address that the client sends to."""

    to: Address

    async def open(self, _: Address, take: Take) -> Peer:
        reader, writer = await asyncio.open_connection(*self.to)
        link = writer.get_extra_info("socket")
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Frames(reader, writer, take)


class _Allocation:
    """What one client connection has asked for."""

    def __init__(
        self, way: Way, allowed: Collection[str], key: bytes, writer: asyncio.StreamWriter, traffic: Traffic
    ) -> None:
        self._way, self._allowed, self._key, self._writer, self._traffic = way, allowed, key, writer, traffic
        self._peers: dict[Address, asyncio.Task[Peer | None]] = {}
        self._channels: dict[int, Address] = {}
        self._numbers: dict[Address, int] = {}

    def take(self, data: bytes) -> None:
        """A whole message or frame from the client."""
        if data[0] >> 6 == 1:  # ChannelData
            number, length = _CHANNEL.unpack_from(data)
            if peer := self._channels.get(number):
                self._send(peer, data[_CHANNEL.size : _CHANNEL.size + length])
            return
        message = Message.parse(data)
        if message.kind == Method.SEND:
            for peer in message.peers():
                self._send(peer, message.get(Attribute.DATA))
        else:
            self._writer.write(self._answer(message))

    def _answer(self, message: Message) -> bytes:
        if not message.signed_by(self._key):
            return message.error(_UNAUTHORIZED, (Attribute.REALM, _REALM.encode()), (Attribute.NONCE, b"0"))
        lifetime = (Attribute.LIFETIME, _LIFETIME.to_bytes(4))
        if message.kind == Method.ALLOCATE:
            # relayed: of no use to anybody else; the server sees the address that the way has, and answers there
            seen = stun.mask(self._writer.get_extra_info("peername")[:2], message.transaction)
            addresses = ((name, seen) for name in (Attribute.XOR_RELAYED_ADDRESS, Attribute.XOR_MAPPED_ADDRESS))
            return message.success(self._key, *addresses, lifetime)
        if message.kind == Method.REFRESH:
            return message.success(self._key, lifetime)
        peers = list(message.peers())
        if any(host not in self._allowed for host, _ in peers):
            return message.error(_FORBIDDEN)
        for peer in peers:
            self._open(peer)
            if message.kind == Method.CHANNEL_BIND:
                number = int.from_bytes(message.get(Attribute.CHANNEL_NUMBER)[:2])
                self._channels[number], self._numbers[peer] = peer, number
        return message.success(self._key)

    def _open(self, peer: Address) -> None:
        if peer not in self._peers:
            self._peers[peer] = asyncio.create_task(self._opened(peer))

    async def _opened(self, peer: Address) -> Peer | None:
        try:
            return await self._way.open(peer, lambda data: self._back(peer, data))
        except OSError:
            return None  # refused, or no route: the client finds that nothing comes back

    def _send(self, peer: Address, data: bytes) -> None:
        opening = self._peers.get(peer)
        if opening and opening.done() and not opening.cancelled() and (way := opening.result()):
            self._traffic.sent += 1
            way.send(data)

    def _back(self, peer: Address, data: bytes) -> None:
        self._traffic.back += 1
        if number := self._numbers.get(peer):
            framed = _CHANNEL.pack(number, len(data)) + data
            self._writer.write(framed + bytes(-len(framed) % 4))
            return
        transaction = secrets.token_bytes(12)
        attributes = [(Attribute.XOR_PEER_ADDRESS, stun.mask(peer, transaction)), (Attribute.DATA, data)]
        self._writer.write(stun.packed(Method.DATA, transaction, attributes))

    async def close(self) -> None:
        for opening in self._peers.values():
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                if way := await opening:
                    way.close()
        self._writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """The next message or frame of a TURN client over TCP (RFC 8656, 12.5)."""
    head = await reader.readexactly(_CHANNEL.size)
    first, length = _CHANNEL.unpack(head)
    if first >> 14 == 1:
        return head + await reader.readexactly(length + -length % 4)
    return head + await reader.readexactly(stun.HEADER - _CHANNEL.size + length)


@asynccontextmanager
async def relay(way: Way, allowed: Collection[str], traffic: Traffic | None = None) -> AsyncIterator[IceServer]:
    """A relay that goes to the addresses ``allowed`` and nowhere else, as an ICE server; ``traffic`` counts packets."""
    counted = traffic or Traffic()
    password = secrets.token_urlsafe(16)
    key = stun.key(_USER, _REALM, password)
    clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        clients[this] = writer
        allocation = _Allocation(way, allowed, key, writer, counted)
        try:
            while True:
                allocation.take(await _message(reader))
        except (asyncio.IncompleteReadError, OSError, ValueError):
            pass  # the client has left, or speaks no TURN
        finally:
            await allocation.close()
            del clients[this]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        url = f"turn:127.0.0.1:{server.sockets[0].getsockname()[1]}?transport=tcp"
        yield IceServer(url, _USER, password)
    finally:
        server.close()
        serving = list(clients)
        for writer in clients.values():
            writer.transport.abort()
        await asyncio.gather(*serving)
