"""An ingress of which Redis lost the second half: what LiveKit makes of it, who tells, and what mends it."""

from __future__ import annotations

import asyncio
import json

import pytest
from livekit.api import ServerError
from livekit.protocol.ingress import CreateIngressRequest, DeleteIngressRequest, ListIngressRequest

from livekit_metal.call.access import Access
from livekit_metal.call.server import server_api
from tests.support.calls.rooms import Janitor, given_a_state, redis
from tests.support.hosts.lab import Lab


def test_an_ingress_without_a_state_is_told_by_the_janitor_and_mended_as_we_say(access: Access, lab: Lab) -> None:
    asyncio.run(mended(access, lab))


async def mended(access: Access, lab: Lab) -> None:
    asked = CreateIngressRequest(input_type="RTMP_INPUT", name="cut", room_name="cut", participant_identity="encoder")
    async with server_api(access) as client:
        made = (await client.ingress.create_ingress(asked)).ingress_id
        assert redis(lab.site, f"del '{{ingress}}_state:{made}'") == "1", "that is where it has its state"
        try:
            # When this fails, upstream has mended it, and the rest can go.
            with pytest.raises(ServerError, match="panic"):
                await client.ingress.delete_ingress(DeleteIngressRequest(ingress_id=made))
            status, said = Janitor(lab, "--json").end()
            assert (status, json.loads(said)["ingresses"]) == (1, [made]), said
        finally:
            given_a_state(lab.site, made)
        status, said = Janitor(lab).end()
        assert status == 0, said
        await client.ingress.delete_ingress(DeleteIngressRequest(ingress_id=made))
        assert not (await client.ingress.list_ingress(ListIngressRequest(room_name="cut"))).items
