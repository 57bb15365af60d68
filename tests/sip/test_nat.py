"""Calls of a host behind a router that translates its address: in and out, ended by either side's BYE."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from livekit.protocol.room import ListParticipantsRequest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.server import server_api
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from tests.sip.called import Called, calling, hang_up
from tests.sip.conftest import deployed, real
from tests.sip.nat import OUTSIDE, Carrier, carrier
from tests.sip.phone import Phone, talking
from tests.support.hosts.deploys import variant
from tests.support.hosts.lab import Lab

PORT = 15998  # of the phone that is called, outside
WITHIN = 60.0  # s for the end of a call to arrive
ENDS = {"us": "they hung up", "the carrier": "hung up"}  # as the phone says

pytestmark = pytest.mark.skipif(
    not real(),
    reason="the stand-in has no sound and makes no calls: make test-media ARTIFACTS=DIR, with livekit-sip in it",
)


@pytest.fixture(scope="module")
def behind(lab: Lab, first: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carrier]:
    """The site as it is deployed behind that router."""
    name = lab.site.with_role("sip")[0]
    with carrier(lab, first, lab.site.hosts[name].address) as outside:
        networks = [f"{lab.facts['gateway']}/32", f"{OUTSIDE}/32"]
        out = {"address": f"{OUTSIDE}:{PORT}", "transport": "udp"}
        changes = {
            "hosts": {name: {"public": outside.public}},
            "sip": {"trunks": {"carrier": {"networks": networks, "outbound": out}}},
        }
        told = deployed(variant(tmp_path_factory.mktemp("nat"), changes))
        assert told.status == 0, told.text
        yield outside
        told = deployed()
        assert told.status == 0, told.text


async def gone(access: Access, room: str, identity: str) -> None:
    """Wait until LiveKit has ``identity`` in the room no more."""
    async with server_api(access) as api, asyncio.timeout(WITHIN):
        while True:
            found = await api.room.list_participants(ListParticipantsRequest(room=room))
            if identity not in {who.identity for who in found.participants}:
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("by", ENDS)
def test_a_call_in_is_heard_and_ended_by(behind: Carrier, lab: Lab, access: Access, tmp_path: Path, by: str) -> None:
    kamailio = lab.site.for_host(lab.site.with_role("sip")[0]).the(Kamailio)
    phone = Phone(
        directory=tmp_path,
        target=f"{behind.public}:{kamailio.port}",
        local=OUTSIDE,
        prefix=behind.prefix,
        within=WITHIN,
        hold=15 if by == "the carrier" else 120,
    )

    async def scenario() -> None:
        async with talking(access, phone, "hotline"):
            if by == "us":
                await hang_up(access, "hotline", f"sip_{phone.caller}")
            assert (await phone.over(), phone.heard()) == (0, ["answered", ENDS[by]])
            await gone(access, "hotline", f"sip_{phone.caller}")

    asyncio.run(scenario())


@pytest.mark.parametrize("by", ENDS)
def test_a_call_out_is_heard_and_ended_by(behind: Carrier, access: Access, tmp_path: Path, by: str) -> None:
    hold = 15 if by == "the carrier" else 120
    called = Called(tmp_path, OUTSIDE, PORT, hold=hold, prefix=behind.prefix)
    room = f"out-{uuid4().hex[:8]}"

    async def scenario() -> None:
        async with calling(access, room):
            if by == "us":
                await hang_up(access, room, "called")
            assert (await called.over(), called.heard()) == (0, [ENDS[by]])
            await gone(access, room, "called")

    try:
        asyncio.run(scenario())
    finally:
        called.drop()
    said = called.messages.read_text()
    assert f"Contact: <sip:{behind.public}:" in said, "the carrier is told where it reaches us"
