"""What a server tells a client about the ways to it: its candidates, its ICE servers, who it is."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
from livekit.protocol import rtc as signal

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.call.server import WITHIN, Node, session, token
from livekit_metal.call.stun import Address


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server as clients are told of it."""

    url: str
    username: str
    credential: str


@dataclass(frozen=True, slots=True)
class Announced:
    """What clients in a room are told; ``udp`` and ``tcp`` are where its node takes media."""

    node: Node
    room: str
    udp: tuple[Address, ...]
    tcp: tuple[Address, ...]
    servers: tuple[IceServer, ...]

    def turn(self, path: str) -> tuple[IceServer, ...]:
        """The TURN servers of a path: turn-udp, turn-udp-443 or turn-tls; those by IPv4 where there are such.

        Most people have no IPv6, and with a way by IPv6 a call would come up whatever is closed to them.
        """
        scheme, transport = ("turns:", "tcp") if path == "turn-tls" else ("turn:", "udp")
        found = [s for s in self.servers if s.url.startswith(scheme) and s.url.endswith(f"transport={transport}")]
        if transport == "udp":  # UDP 443 leads to the active slot, beside that slot's own port
            found = [s for s in found if (":443?" in s.url) is (path == "turn-udp-443")]
        return tuple([s for s in found if "[" not in s.url] or found)


@asynccontextmanager
async def announced(access: Access, room: str, through: str | None = None, **query: str) -> AsyncIterator[Announced]:
    """Join ``room`` as a hidden participant without media, and stay until the end of the block: so long the room stays.

    The native SDK keeps all this to itself, hence the WebSocket (docs.livekit.io, "Client protocol"). Raises
    :class:`CallError`.
    """
    url = access.through(through)
    pass_ = token(access, room=room, identity=f"witness-{uuid4().hex[:8]}", hidden=True, creates=True)
    words = {"access_token": pass_, "auto_subscribe": "0", "protocol": "16", "sdk": "python"} | query
    async with session(access) as client:
        try:
            async with asyncio.timeout(WITHIN):
                socket = await client.ws_connect(f"{url.rstrip('/')}/rtc", params=words)
                told = await _told(socket)
        except TimeoutError:
            raise CallError("node", f"{url}: no answer in {WITHIN:.0f} s", "see whether it runs") from None
        except (aiohttp.ClientError, TypeError, ValueError, KeyError) as error:
            raise CallError("node", f"{url}: {error}", "see the server's journal") from None
        try:
            yield told
        finally:
            goodbye = signal.SignalRequest(leave=signal.LeaveRequest())
            # who never connects is sent away after half a minute, and then there is nobody to say goodbye to
            with contextlib.suppress(ConnectionError):
                await socket.send_bytes(goodbye.SerializeToString())
            await socket.close()


async def where(access: Access, room: str, through: str | None = None) -> Node:
    """Which node holds ``room``; makes the room when there is none. Raises :class:`CallError`."""
    async with announced(access, room, through) as told:
        return told.node


async def _told(socket: aiohttp.ClientWebSocketResponse) -> Announced:
    """From the answer to the join to the last candidate: with its offer, which comes at once, the server sends them."""
    join, found = None, dict[str, list[Address]](udp=[], tcp=[])
    while True:
        answer = signal.SignalResponse.FromString(await socket.receive_bytes())
        kind = answer.WhichOneof("message")
        if kind == "join":
            join = answer.join
        if kind == "trickle":
            words = str(json.loads(answer.trickle.candidateInit)["candidate"]).split()
            if len(words) > 5 and words[2].lower() in found:  # component, protocol, priority, address, port (RFC 8839)
                found[words[2].lower()].append((str(ipaddress.ip_address(words[4])), int(words[5])))
            if answer.trickle.final and join is not None:
                break
    servers = [IceServer(url, each.username, each.credential) for each in join.ice_servers for url in each.urls]
    node = Node(id=join.server_info.node_id, version=join.server_info.version)
    return Announced(node, join.room.name, tuple(found["udp"]), tuple(found["tcp"]), tuple(servers))
