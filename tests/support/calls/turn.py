"""A TURN client of our own (RFC 8489, RFC 8656), as little as shows what a server gives to whom."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import socket
import ssl
import struct
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from livekit.protocol import rtc as signal

from livekit_metal.call.access import Access
from livekit_metal.call.server import token

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH, PERMISSION = 0x001, 0x003, 0x004, 0x008
_USERNAME, _INTEGRITY, _ERROR, _PEER, _REALM, _NONCE = 0x0006, 0x0008, 0x0009, 0x0012, 0x0014, 0x0015
_RELAYED, _TRANSPORT, _MAPPED = 0x0016, 0x0019, 0x0020
_UDP = struct.pack("!I", 17 << 24)


@dataclass(frozen=True)
class Servers:
    """What a client that joins is told about ICE."""

    urls: tuple[str, ...]
    username: str
    credential: str


class _At(AbstractResolver):
    """Every name leads to one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


def told(access: Access, at: str = "") -> Servers:
    """The ICE servers in the answer to a client that joins a room of its own, ``at`` an address if no DNS knows it."""

    async def ask() -> signal.JoinResponse:
        trusted, resolver = ssl.create_default_context(cafile=access.ca_file), _At(at) if at else None
        room = f"ice-{uuid4().hex[:8]}"
        query = {"access_token": token(access, room=room, identity="asks", hidden=True, creates=True), "protocol": "16"}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted, resolver=resolver)) as session,
            session.ws_connect(f"{access.url}/rtc", params=query) as link,
        ):
            answer = signal.SignalResponse.FromString(await link.receive_bytes())
            await link.send_bytes(signal.SignalRequest(leave=signal.LeaveRequest()).SerializeToString())
        return answer.join

    servers = asyncio.run(ask()).ice_servers
    urls = tuple(url for server in servers for url in server.urls)
    return Servers(urls, servers[0].username, servers[0].credential)


class Client:
    """One client on a connected socket: datagrams, or a stream (TCP, TLS)."""

    def __init__(self, link: socket.socket, username: str = "", credential: str = "") -> None:
        self._link, self._username, self._credential = link, username, credential
        self._realm = self._nonce = b""
        link.settimeout(5)

    def mapped(self) -> tuple[str, int]:
        """Where the server sees us, as STUN tells everybody."""
        return _address(self._ask(BINDING, {})[_MAPPED])

    def allocate(self) -> tuple[tuple[str, int], tuple[str, int]] | int:
        """The relay's address and ours as the server sees it, or the number of the error."""
        refused = self._ask(ALLOCATE, {_TRANSPORT: _UDP})
        self._realm, self._nonce = refused[_REALM], refused[_NONCE]
        found = self._ask(ALLOCATE, {_TRANSPORT: _UDP})
        return _error(found) or (_address(found[_RELAYED]), _address(found[_MAPPED]))

    def refresh(self) -> int:
        """0 when the relay goes on, else the number of the error: 437 where whoever answers has none of ours."""
        return _error(self._ask(REFRESH, {}))

    def permission(self, peer: str) -> int:
        """0 when the relay may send to ``peer``, else the number of the error."""
        packed = int(ipaddress.IPv4Address(peer)) ^ COOKIE
        return _error(self._ask(PERMISSION, {_PEER: struct.pack("!BBHI", 0, 1, 9 ^ (COOKIE >> 16), packed)}))

    def _ask(self, method: int, attributes: dict[int, bytes]) -> dict[int, bytes]:
        if self._nonce:
            attributes |= {_USERNAME: self._username.encode(), _REALM: self._realm, _NONCE: self._nonce}
        body = b"".join(_attribute(*each) for each in attributes.items())
        transaction = secrets.token_bytes(12)
        if self._nonce:
            secret = b":".join((self._username.encode(), self._realm, self._credential.encode()))
            key = hashlib.md5(secret).digest()  # the RFC's own, 9.2.2
            head = struct.pack("!HHI", method, len(body) + 24, COOKIE) + transaction
            body += _attribute(_INTEGRITY, hmac.digest(key, head + body, "sha1"))
        self._link.sendall(struct.pack("!HHI", method, len(body), COOKIE) + transaction + body)
        return self._answer(transaction)

    def _answer(self, transaction: bytes) -> dict[int, bytes]:
        if self._link.type == socket.SOCK_DGRAM:
            said = self._link.recv(2000)
        else:
            said = self._exactly(20)
            said += self._exactly(struct.unpack("!H", said[2:4])[0])
        assert said[8:20] == transaction
        found: dict[int, bytes] = {}
        rest = said[20:]
        while rest:
            kind, length = struct.unpack("!HH", rest[:4])
            found[kind] = rest[4 : 4 + length]
            rest = rest[4 + length + -length % 4 :]
        return found

    def _exactly(self, length: int) -> bytes:
        said = b""
        while len(said) < length:
            more = self._link.recv(length - len(said))
            assert more, "the server has hung up"
            said += more
        return said


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _address(value: bytes) -> tuple[str, int]:
    _, family, port = struct.unpack("!BBH", value[:4])
    if family == 2:  # its last 96 bits are mixed with the transaction, which nobody here asks for
        return "::", port ^ (COOKIE >> 16)
    return str(ipaddress.IPv4Address(struct.unpack("!I", value[4:8])[0] ^ COOKIE)), port ^ (COOKIE >> 16)


def _error(found: dict[int, bytes]) -> int:
    return found[_ERROR][2] * 100 + found[_ERROR][3] if _ERROR in found else 0
