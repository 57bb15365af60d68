"""One way for media, and no other: a client may then use only relays, and the only relay goes that way.

Contract: a call that comes up under ``forced`` has sent and received everything by that path.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal, get_args

from livekit import rtc

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.call.join_info import Announced, IceServer, announced
from livekit_metal.call.participants import Ice
from livekit_metal.call.quality.figures import Traffic
from livekit_metal.call.relay import IceTcp, Udp, relay
from livekit_metal.call.server import NEXT, trusted

Path = Literal["udp", "tcp", "turn-udp", "turn-udp-443", "turn-tls"]
PATHS: tuple[Path, ...] = get_args(Path)
_REMEDY = "see rtc.* and turn.* in the server's configuration: it announces what it has"


@asynccontextmanager
async def forced(
    access: Access, path: Path, room: str, through: str | None = None, traffic: Traffic | None = None
) -> AsyncIterator[Ice]:
    """How a client must be configured so that its media in ``room`` takes ``path``. Raises :class:`CallError`.

    ``traffic`` counts the packets, but those of TURN, which go to the server and not through here.
    """
    traffic = traffic or Traffic()
    async with announced(access, room, through) as told:
        if path == "udp":
            if not told.udp:
                raise CallError("path", f"{told.node.id} announces no UDP address", _REMEDY)
            async with relay(Udp(), {host for host, _ in told.udp}, traffic) as server:
                yield _only([server])
        elif path == "tcp":
            if not told.tcp:
                raise CallError("path", f"{told.node.id} announces no ICE/TCP address", _REMEDY)
            # the client sends to the UDP addresses that it was told; what matters is where the relay takes it
            async with relay(IceTcp(told.tcp[0]), {host for host, _ in told.udp}, traffic) as server:
                yield _only([server])
        elif path in ("turn-udp", "turn-udp-443"):
            yield _only(_turn(told, path))
        else:
            (server, *_) = _turn(told, path)
            async with _in_tls(access, server) as url:
                yield _only([IceServer(url, server.username, server.credential)])


def _turn(told: Announced, path: Path) -> Sequence[IceServer]:
    """The TURN servers of a path. Raises :class:`CallError` when there is none."""
    if not (found := told.turn(path)):
        scheme, transport = ("turns:", "TCP") if path == "turn-tls" else ("turn:", "UDP")
        raise CallError("path", f"{told.node.id} announces no {scheme} server over {transport}", _REMEDY)
    return found


def _only(servers: Sequence[IceServer]) -> Ice:
    made = (rtc.IceServer(urls=[s.url], username=s.username, password=s.credential) for s in servers)
    return Ice(relayed=True, servers=tuple(made))


@asynccontextmanager
async def _in_tls(access: Access, server: IceServer) -> AsyncIterator[str]:
    """A plain port on loopback that leads to a ``turns:`` server: the SDK knows only its built-in CAs there."""
    name, _, port = server.url.removeprefix("turns:").partition("?")[0].rpartition(":")
    host = access.names.get(name, name)
    trust = trusted(access)
    carried: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far, to = await asyncio.open_connection(
                host, int(port), ssl=trust, server_hostname=name, happy_eyeballs_delay=NEXT
            )
        except OSError:
            writer.close()
            return
        carried.update(asyncio.create_task(pump(*ends)) for ends in ((reader, to), (far, writer)))

    await _opens(host, int(port), trust, name)
    near = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"turn:127.0.0.1:{near.sockets[0].getsockname()[1]}?transport=tcp"
    finally:
        near.close()
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)


async def _opens(host: str, port: int, trust: ssl.SSLContext, name: str) -> None:
    """Raises :class:`CallError` with what the handshake says: the client would only see no relay."""
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(
                host, port, ssl=trust, server_hostname=name, happy_eyeballs_delay=NEXT
            )
    except socket.gaierror as error:
        fact = f"{name} does not resolve ({error.strerror})"
        raise CallError("path", fact, "add the name of TURN to your DNS") from None
    except (OSError, TimeoutError) as error:
        fact = f"TLS to {name}:{port}: {error or 'nothing after 5 s'}"
        raise CallError("path", fact, "see the certificate of the TURN name, and what listens there") from None
    writer.close()
