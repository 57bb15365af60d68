"""A server on loopback that says and accepts what a test of the doctor wants, and what such tests are run with."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from livekit_metal.call.access import Access
from livekit_metal.core.check_result import CheckResult, Result

WITHIN = 20


@contextlib.asynccontextmanager
async def server(
    *, code: int = 200, off: float = 0.0, lets_in: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Access]:
    """A server whose clock is ``off`` seconds from ours; ``lets_in``: everybody, with whatever token."""

    async def root(_: web.Request) -> web.Response:
        return web.Response(status=code, headers={"Date": formatdate(time.time() + off, usegmt=True)})

    async def rtc(request: web.Request) -> web.StreamResponse:
        if not lets_in:
            return web.Response(status=401)
        made = web.WebSocketResponse()
        await made.prepare(request)
        return made

    async def participants(_: web.Request) -> web.Response:
        return web.Response(status=200 if lets_in else 401)

    app = web.Application()
    app.add_routes([web.get("/", root), web.get("/rtc", rtc)])
    app.add_routes([web.post("/twirp/livekit.RoomService/ListParticipants", participants)])
    running = web.AppRunner(app)
    await running.setup()
    site = web.TCPSite(running, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = running.addresses[0][1]
    try:
        yield Access(url=f"{'wss' if tls else 'ws'}://127.0.0.1:{port}", api_key="API", api_secret="s" * 32)
    finally:
        await running.cleanup()


def run(test: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(WITHIN):
            return await test()

    return asyncio.run(bounded())


def brief(row: CheckResult | None) -> tuple[str, Result]:
    assert row is not None
    return row.check, row.result


def certificate(directory: Path, days: int) -> tuple[ssl.SSLContext, str]:
    """Of 127.0.0.1, for so many days; its own CA."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, both = made.public_bytes(serialization.Encoding.PEM), directory / "both.pem"
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    both.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, *plain))
    (directory / "ca.pem").write_bytes(pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return context, str(directory / "ca.pem")
