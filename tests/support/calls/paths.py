"""A call whose media may go one way only, as a program of its own: ``python -m tests.paths`` in a network namespace.

Standard input is one JSON object: ``access`` (as access.json), ``seconds``, ``relayed`` (through TURN only), and for
TURN over TLS ``tls``: {"address", "name", "username", "credential"}. The native SDK trusts no CA but its own there, so
a forwarder here speaks TLS for it, with the site's CA and the TURN name (SNI); media goes over 443 nonetheless. A line
``{"up": true}`` says that people hear each other, the last one is the report of the call (``--json`` of
livekit_metal.call). SIGTERM ends the call before its ``seconds`` are over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import ssl
import sys
from typing import Any

from livekit import rtc

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.errors import CallError
from livekit_metal.call.participants import Ice
from livekit_metal.core.errors import Problems
from livekit_metal.core.fields import build


async def _forward(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while said := await source.read(65536):
            to.write(said)
            await to.drain()
    with contextlib.suppress(OSError):
        to.close()


async def _over_tls(tls: dict[str, str], ca_file: str | None) -> rtc.IceServer:
    """A TURN server on loopback that leads to the site's on 443."""
    trusted = ssl.create_default_context(cafile=ca_file)
    running: set[asyncio.Task[None]] = set()

    async def accept(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, out = await asyncio.open_connection(tls["address"], 443, ssl=trusted, server_hostname=tls["name"])
        running.update({asyncio.create_task(_forward(near, out)), asyncio.create_task(_forward(far, back))})

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"turn:127.0.0.1:{port}?transport=tcp"
    return rtc.IceServer(urls=[url], username=tls["username"], password=tls["credential"])


async def made(given: dict[str, Any]) -> str:
    problems = Problems()
    access: Access = build(Access, given["access"], "access", problems)
    problems.raise_if_any()
    servers = (await _over_tls(given["tls"], access.ca_file),) if "tls" in given else ()
    async with Call(access, ice=Ice(relayed=given["relayed"], servers=servers)) as call:
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        print(json.dumps({"up": True}), flush=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), given["seconds"])
        return (await call.stop()).to_json()


if __name__ == "__main__":
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    try:
        said = asyncio.run(made(json.load(sys.stdin)))
    except CallError as error:
        said = json.dumps({"ok": False, "problems": [str(error)]})
    print(said, flush=True)
    os._exit(0)  # the SDK's exit handler may abort the process after a failed connection
