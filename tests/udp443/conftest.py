"""TURN on UDP 443 of a lab host, with real calls that know no other relay, by IPv4 and by IPv6."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from livekit import rtc
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.join_info import IceServer, announced
from livekit_metal.call.participants import Ice
from livekit_metal.roles.livekit.redirect import Redirect
from livekit_metal.site.model import Site
from tests.online.conftest import _own_again  # noqa: F401 - a fixture: the site's own comes back
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.calls.slots import Slot, serving
from tests.support.calls.turn import Client
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import INVENTORY, lab, over_ssh
from tests.support.lab_fixtures import the_access, the_control, the_lab  # noqa: F401 - fixtures

FIRST = lab().site.with_role("livekit")[0]


def pytest_report_header() -> str:
    return f"lab: {lab().directory} ({', '.join(lab().site.hosts)}), site: {INVENTORY}"


@dataclass
class Ground:
    """The host, and deploys of the site with other settings."""

    site: Site
    host: Host
    access: Access
    directory: Path
    inventory: Path = Path(INVENTORY)

    @property
    def serving(self) -> Slot:
        return serving(self.site, FIRST)

    def port(self, unit: str) -> int:
        """That of TURN of a slot."""
        slot = unit.partition("@")[2].removesuffix(".service")
        return self.site.livekit.part("turn-udp", slot).first

    def deploy(self, settings: Mapping[str, Any]) -> None:
        """With a configuration that no slot has had."""
        new = {"livekit": {"room": {"empty_timeout": 400 + time.time_ns() // 10**9 % 86400}}}
        livekit = {**settings.get("livekit", {}), **new["livekit"]}
        self.inventory = variant(self.directory, {**settings, "livekit": livekit}, f"site{time.time_ns()}")
        told = deploy(self.inventory)
        assert told.status == 0, told.text

    def clients(self, unit: str, version: int = 4) -> int:
        """How many clients of UDP 443 are with a slot."""
        listed = self.host.run(f"nft list set inet {Redirect.table} at{self.port(unit)}v{version}").stdout
        return str(listed).count(" expires ")

    async def server(self, version: int) -> IceServer:
        """UDP 443 at an address of the host, as clients are told."""
        async with announced(self.access, f"udp443-{uuid4().hex[:8]}", FIRST) as told:
            by_443 = [s for s in told.servers if s.url.startswith("turn:") and ":443?" in s.url]
            (found,) = [s for s in by_443 if ("[" in s.url) is (version == 6)]
        return found

    async def call(self) -> Call:
        """A call whose only relay is UDP 443, and whose only way is a relay."""
        found = await self.server(4)
        only = rtc.IceServer(urls=[found.url], username=found.username, password=found.credential)
        way = Ice(relayed=True, servers=(only,))
        return Call(self.access, publish_through=FIRST, subscribe_through=FIRST, ice=way)

    async def relay(self, version: int) -> tuple[Client, int]:
        """A relay by UDP 443, and its port."""
        found = await self.server(version)
        link = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        at = self.site.hosts[FIRST]
        link.connect((at.ipv6 if version == 6 else at.public_address, 443))
        client = Client(link, found.username, found.credential)
        got = await asyncio.to_thread(client.allocate)
        assert not isinstance(got, int), got
        return client, got[0][1]


@pytest.fixture
def ground(tmp_path: Path, access: Access) -> Ground:
    return Ground(lab().site, over_ssh(FIRST), access, tmp_path)
