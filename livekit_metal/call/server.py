"""The server's side of a call: tokens and the API."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from uuid import uuid4

import aiohttp
from livekit import api
from livekit.api.room_service import RoomService
from livekit.protocol.room import CreateRoomRequest

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError

WITHIN = 10.0  # s for one request
NEXT = 0.25  # s, then the next address of a name is tried too, as browsers do (RFC 8305)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A livekit-server process: its id (new at every start) and its version."""

    id: str
    version: str


def token(
    access: Access,
    *,
    room: str,
    identity: str,
    hidden: bool = False,
    creates: bool = False,
    ttl: timedelta = timedelta(minutes=10),
) -> str:
    """A join token; ``hidden``: seen by nobody, may not publish; ``creates``: also where ``room.auto_create`` is off.

    A room that such a token creates goes a second after its last participant: probes leave nothing behind.
    """
    grants = api.VideoGrants(
        room_join=True, room_create=creates or None, room=room, can_publish=not hidden, hidden=hidden
    )
    made = api.AccessToken(access.api_key, access.api_secret).with_identity(identity).with_ttl(ttl)
    passing = api.RoomConfiguration(empty_timeout=30, departure_timeout=1)
    return made.with_grants(grants).with_room_config(passing).to_jwt()


@asynccontextmanager
async def server_api(access: Access, through: str | None = None) -> AsyncIterator[api.LiveKitAPI]:
    """livekit-api against the site, or by way of one host; no retries, so that a failure shows."""
    url = access.through(through)
    async with (
        session(access) as requests,
        api.LiveKitAPI(url, access.api_key, access.api_secret, session=requests, failover=False) as client,
    ):
        yield client


@asynccontextmanager
async def room_service(access: Access, through: str | None = None) -> AsyncIterator[RoomService]:
    """The room part of :func:`server_api`: create, list and delete rooms."""
    async with server_api(access, through) as client:
        yield client.room


async def pinned(access: Access, node: str, through: str | None = None) -> str:
    """The name of a new room that was put on ``node``. Raises :class:`CallError`."""
    name = f"call-{uuid4().hex[:12]}"
    try:
        async with asyncio.timeout(WITHIN), room_service(access, through) as rooms:
            await rooms.create_room(CreateRoomRequest(name=name, node_id=node, empty_timeout=30, departure_timeout=1))
    except TimeoutError:
        raise CallError("node", f"no room on {node} within {WITHIN:.0f} s", "see whether it runs") from None
    except (aiohttp.ClientError, api.TwirpError) as error:
        raise CallError("node", f"no room on {node}: {error}", "see the server's journal") from None
    return name


def trust(access: Access) -> None:
    """Make the native SDK accept the site's CA for ``wss``; it reads the environment: one CA per process."""
    if file := access.ca_file or (access.ca and _in_memory(access.ca)):
        os.environ["SSL_CERT_FILE"] = file


@cache
def _in_memory(text: str) -> str:
    """A file that is gone with this process, and needs no directory where it may write."""
    descriptor = os.memfd_create("ca")
    os.write(descriptor, text.encode())
    return f"/proc/self/fd/{descriptor}"


def trusted(access: Access) -> ssl.SSLContext:
    """For TLS with the site: its own CA, or the system's roots."""
    return ssl.create_default_context(cafile=access.ca_file, cadata=access.ca)


def session(access: Access) -> aiohttp.ClientSession:
    """For requests to the site; trusts its CA."""
    timeout = aiohttp.ClientTimeout(total=WITHIN)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted(access)), timeout=timeout)
