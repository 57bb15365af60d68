"""Calls that LiveKit makes: by Kamailio, through an outbound trunk of the site."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from tests.sip.called import Called, calling, hang_up
from tests.sip.conftest import real
from tests.sip.slots import ended, serving, shown
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import Lab

PORT = 15998  # of the phone that is called, on this machine


def test_a_call_out_is_heard_and_goes_on_through_a_change(
    first: Host, lab: Lab, access: Access, tmp_path: Path
) -> None:
    if not real():
        pytest.skip("the stand-in makes no calls: run it with livekit-sip itself (make test-media)")
    gateway = lab.facts["gateway"]
    out = {"trunks": {"carrier": {"outbound": {"address": f"{gateway}:{PORT}", "transport": "udp"}}}}
    assert deploy(variant(tmp_path, {"sip": out}, "out")).status == 0
    old, called = serving(first), Called(tmp_path, gateway, PORT)

    async def scenario() -> None:
        room = f"out-{uuid4().hex[:8]}"
        async with calling(access, room) as subscriber:
            more = out | {"extra": {"sip_ringing_interval": "5s"}}
            assert (await asyncio.to_thread(deploy, variant(tmp_path, {"sip": more}, "changed"))).status == 0
            assert shown(first, old, "ActiveState") == "deactivating", "the call holds its slot"
            before = len(subscriber.ear.steps)
            await asyncio.sleep(2)  # the call's own length
            assert len(subscriber.ear.steps) - before > 50, "it is heard still"
            await hang_up(access, room, "called")
            assert (await called.over(15), called.heard()) == (0, ["they hung up"])

    try:
        asyncio.run(scenario())
        ended(first, old)
        kamailio, said = lab.site.for_host(lab.site.with_role("sip")[0]).the(Kamailio), called.messages.read_text()
        assert f"Via: SIP/2.0/UDP {kamailio.public_address}:{kamailio.port};" in said, "by Kamailio"
        assert f"Contact: <sip:{kamailio.public_address}:{kamailio.port};slot=" in said
    finally:
        called.drop()
        assert deploy().status == 0
