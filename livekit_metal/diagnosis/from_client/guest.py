"""A relay as any guest may have one: TURN (RFC 8656) with what the server tells a participant, over UDP or over TLS.

Contract: asks, and gives the answers; who judges them is :mod:`leads`. What a relay sends leaves the server's host with
that host's address, hence what there is to judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from livekit_metal.call import stun
from livekit_metal.call.join_info import IceServer
from livekit_metal.call.stun import Address, Attribute, Message, Method

UDP, TCP = 17, 6  # IANA protocol numbers, as REQUESTED-TRANSPORT has them
WITHIN = 5.0  # s for an answer
_AGAIN = 0.5  # s after which a datagram is sent once more
_UNAUTHORIZED = 401
_LENGTH = struct.Struct("!2xH")


class Silent(Exception):
    """There is no relay to be had here: the reason."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a TURN server is: ``name`` is asked for and checked in its certificate, '' without TLS."""

    address: str
    port: int
    name: str = ""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, _: Any) -> None:
        self._take(data)

    def error_received(self, _: Exception) -> None:
        pass  # who waits for an answer finds that none comes


class Guest:
    """One allocation: a relay for UDP, or (RFC 6062) for TCP."""

    def __init__(self, server: IceServer, *, again: bool) -> None:
        self._server, self._again = server, again
        self._waiting: dict[bytes, asyncio.Future[Message]] = {}
        self._realm = self._nonce = b""
        self.write: Callable[[bytes], None] = lambda _: None
        self.heard: dict[Address, bytes] = {}  # what came through the relay, by who sent it
        self.address: Address = ("", 0)  # of the relay

    def take(self, data: bytes) -> None:
        """A whole message from the server."""
        with contextlib.suppress(ValueError):
            message = Message.parse(data)
            if message.kind == Method.DATA:
                self.heard |= dict.fromkeys(message.peers(), message.get(Attribute.DATA))
            elif message.answers and (waiting := self._waiting.pop(message.transaction, None)) and not waiting.done():
                waiting.set_result(message)

    async def allocate(self, transport: int) -> None:
        """Open the relay. Raises :class:`Silent`."""
        wanted = (Attribute.REQUESTED_TRANSPORT, struct.pack("!B3x", transport))
        refused = await self._ask(Method.ALLOCATE, wanted)
        self._realm, self._nonce = refused.get(Attribute.REALM), refused.get(Attribute.NONCE)
        given = await self._ask(Method.ALLOCATE, wanted) if refused.refusal == _UNAUTHORIZED else refused
        if given.refusal:
            raise Silent(f"{self._server.url} gives no relay (error {given.refusal})")
        self.address = stun.unmask(given.get(Attribute.XOR_RELAYED_ADDRESS), given.transaction)

    async def permit(self, address: str) -> int:
        """0 when the relay may send to an address, else the number of the error (403: forbidden)."""
        return (await self._to(Method.CREATE_PERMISSION, (address, 0))).refusal

    async def connect(self, peer: Address) -> int:
        """0 when the relay has connected to ``peer`` by TCP, else the number of the error (403, 447: it could not)."""
        return (await self._to(Method.CONNECT, peer)).refusal

    def send(self, peer: Address, data: bytes) -> None:
        """Have the relay send a datagram; there is no answer to that."""
        transaction = secrets.token_bytes(12)
        to = (Attribute.XOR_PEER_ADDRESS, stun.mask(peer, transaction))
        self.write(stun.packed(Method.SEND, transaction, (to, (Attribute.DATA, data))))

    async def release(self) -> None:
        """Give the relay back at once, not when its time is up."""
        with contextlib.suppress(Silent):
            await self._ask(Method.REFRESH, (Attribute.LIFETIME, bytes(4)))

    async def _to(self, method: Method, peer: Address) -> Message:
        transaction = secrets.token_bytes(12)
        return await self._ask(method, (Attribute.XOR_PEER_ADDRESS, stun.mask(peer, transaction)), transaction)

    async def _ask(self, method: Method, attribute: tuple[int, bytes], transaction: bytes = b"") -> Message:
        transaction = transaction or secrets.token_bytes(12)
        request = stun.packed(method, transaction, (attribute,))
        if self._nonce:
            user, realm = self._server.username, self._realm.decode()
            who = (Attribute.USERNAME, user.encode()), (Attribute.REALM, self._realm), (Attribute.NONCE, self._nonce)
            key = stun.key(user, realm, self._server.credential)
            request = stun.signed(method, transaction, (attribute, *who), key)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = answer
        try:
            async with asyncio.timeout(WITHIN):
                self.write(request)
                while self._again and not (await asyncio.wait((answer,), timeout=_AGAIN))[0]:
                    self.write(request)
                return await answer
        except (OSError, TimeoutError):
            raise Silent(f"{self._server.url} does not answer") from None
        finally:
            self._waiting.pop(transaction, None)


@asynccontextmanager
async def relay(
    server: IceServer, place: Place, transport: int, trusted: ssl.SSLContext | None = None
) -> AsyncIterator[Guest]:
    """A relay at ``place``, which is given back at the end. Raises :class:`Silent`."""
    guest = Guest(server, again=not place.name)
    async with _over_tls(guest, place, trusted) if place.name else _over_udp(guest, place):
        await guest.allocate(transport)
        try:
            yield guest
        finally:
            await guest.release()


@asynccontextmanager
async def _over_udp(guest: Guest, place: Place) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    try:
        made, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(guest.take), remote_addr=(place.address, place.port)
        )
    except OSError as error:
        raise Silent(f"{place.address}: {error}") from None
    guest.write = made.sendto
    try:
        yield
    finally:
        made.close()


@asynccontextmanager
async def _over_tls(guest: Guest, place: Place, trusted: ssl.SSLContext | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WITHIN):
            reader, writer = await asyncio.open_connection(
                place.address, place.port, ssl=trusted or ssl.create_default_context(), server_hostname=place.name
            )
    except (OSError, TimeoutError) as error:
        raise Silent(f"no TLS with {place.name}:{place.port} ({error or 'nothing came'})") from None
    guest.write = writer.write
    reading = asyncio.create_task(_read(reader, guest))
    try:
        yield
    finally:
        reading.cancel()
        writer.close()


async def _read(reader: asyncio.StreamReader, guest: Guest) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(stun.HEADER)
            guest.take(head + await reader.readexactly(_LENGTH.unpack_from(head)[0]))


def questions() -> Iterable[bytes]:
    """What daemons answer to without knowing who asks: a STUN server, and one of SIP."""
    here = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-relay"
    request = (
        f"OPTIONS sip:relay@192.0.2.1 SIP/2.0\r\nVia: {here};rport\r\nFrom: <sip:relay@192.0.2.1>;tag=relay\r\n"
        f"To: <sip:relay@192.0.2.1>\r\nCall-ID: {secrets.token_hex(8)}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    return stun.packed(Method.BINDING, secrets.token_bytes(12), ()), request.encode()
