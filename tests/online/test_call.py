"""Calls through the deployed hosts, and tokens that must not get in."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import ssl
from datetime import timedelta

import aiohttp
import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.forced_path import Path
from livekit_metal.call.report import Report
from livekit_metal.call.server import token
from tests.support.hosts.lab import Lab, lab

SERVING = [name for name, host in lab().site.hosts.items() if "livekit" in host.roles]


async def call(access: Access, seconds: float = 3, path: Path | None = None, **through: str) -> Report:
    async with Call(access, path=path, **through) as running:
        await asyncio.sleep(seconds)  # the call's own length: media has to flow for a while
        return await running.stop()


@pytest.mark.parametrize("host", SERVING)
def test_a_call_through_each_host_is_heard(access: Access, host: str) -> None:
    report = asyncio.run(call(access, publish_through=host, subscribe_through=host))
    assert report.ok, report.table()


def test_a_call_whose_ends_enter_through_different_hosts(access: Access) -> None:
    """With one host both ends share it, which the row above has proved already: the cluster rows run this."""
    first, last = SERVING[0], SERVING[-1]
    report = asyncio.run(call(access, publish_through=first, subscribe_through=last))
    assert report.ok, report.table()


@pytest.mark.parametrize("path", ["udp", "tcp"])
def test_media_flows_by_each_path_alone(access: Access, path: Path) -> None:
    """tests/faults/doctor closes each: then the call does not come up."""
    report = asyncio.run(call(access, path=path))
    assert report.ok, report.table()


def test_the_room_is_on_the_release_of_the_site(access: Access, lab: Lab) -> None:
    report = asyncio.run(call(access, 1))
    assert report.version == lab.site.livekit.release


def test_rooms_find_every_node(access: Access) -> None:
    """All nodes serve: rooms are spread over as many nodes as hosts (one placement in N misses a node by chance)."""

    async def nodes() -> set[str]:
        found: set[str] = set()
        for _ in range(10 * len(SERVING)):
            async with Call(access) as one:
                found.add((await one.where()).id)
            if len(found) == len(SERVING):
                break
        return found

    assert len(asyncio.run(nodes())) == len(SERVING)


def refused(access: Access, jwt: str) -> int:
    """HTTP status that a client with this token gets instead of a WebSocket; 101 when it gets one."""
    trusted = ssl.create_default_context(cafile=access.ca_file)

    async def ask() -> int:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:
            try:
                query = {"access_token": jwt, "protocol": "16"}
                async with session.ws_connect(f"{access.url}/rtc", params=query):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

    return asyncio.run(ask())


def test_a_good_token_gets_in(access: Access) -> None:
    assert refused(access, token(access, room="tokens", identity="good")) == 101


def test_a_token_signed_with_another_secret_is_refused(access: Access) -> None:
    forged = dataclasses.replace(access, api_secret=secrets.token_urlsafe(32))
    assert refused(access, token(forged, room="tokens", identity="forged")) == 401


def test_a_token_of_an_unknown_key_is_refused(access: Access) -> None:
    unknown = dataclasses.replace(access, api_key="APIunknown")
    assert refused(access, token(unknown, room="tokens", identity="unknown")) == 401


def test_an_expired_token_is_refused(access: Access) -> None:
    assert refused(access, token(access, room="tokens", identity="late", ttl=timedelta(hours=-1))) == 401


def test_no_token_is_refused(access: Access) -> None:
    assert refused(access, "") == 401
