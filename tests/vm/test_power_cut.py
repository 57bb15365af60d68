"""The power is cut while what LiveKit keeps in Redis is written: what is two seconds old is there afterwards."""

from __future__ import annotations

import asyncio
import time
from threading import Event, Thread

import aiohttp
from livekit import api

from livekit_metal.call.access import Access
from livekit_metal.site.model import Site
from tests.support.calls.rooms import given_a_state
from tests.support.hosts.deploys import unchanging
from tests.vm.conftest import Machine

BEGINS = 60.0  # s
ANSWERS = 20.0  # s for a trunk, a rule and an ingress: without power nobody says that nobody is there
SAVED = 2.0  # s: `appendfsync everysec` lets as much be lost (Redis' documentation, persistence)


class Writer(Thread):
    """Makes trunks, rules and ingresses until it is stopped; ``made`` is what was acknowledged, and when."""

    def __init__(self, access: Access) -> None:
        super().__init__()
        self.access, self.made, self.over = access, list[tuple[float, str]](), Event()
        self.said = ""  # what ended it

    def run(self) -> None:
        asyncio.run(self._write())

    async def _write(self) -> None:
        async with client(self.access) as livekit:
            number = 0
            while not self.over.is_set():
                number += 1
                try:
                    async with asyncio.timeout(ANSWERS):
                        for one in await written(livekit, number):
                            self.made.append((time.monotonic(), one))
                except (aiohttp.ClientError, api.TwirpError, TimeoutError) as error:
                    self.said = str(error)  # that the power is gone, or else a failure of the test
                    return


async def written(livekit: api.LiveKitAPI, number: int) -> list[str]:
    trunk = api.SIPInboundTrunkInfo(name=f"t{number}", numbers=[f"+4930{number:06}"])
    made = await livekit.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=trunk))
    to = api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name=f"r{number}"))
    asked = api.CreateSIPDispatchRuleRequest(rule=to, trunk_ids=[made.sip_trunk_id], name=f"d{number}")
    rule = await livekit.sip.create_dispatch_rule(asked)
    stream = api.CreateIngressRequest(
        input_type=api.IngressInput.WHIP_INPUT, name=f"i{number}", room_name=f"r{number}", participant_identity="camera"
    )
    ingress = await livekit.ingress.create_ingress(stream)
    return [made.sip_trunk_id, rule.sip_dispatch_rule_id, ingress.ingress_id]


def client(access: Access) -> api.LiveKitAPI:
    return api.LiveKitAPI(access.url, access.api_key, access.api_secret)


async def listed(access: Access) -> set[str]:
    async with client(access) as livekit:
        trunks = await livekit.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
        rules = await livekit.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
        ingresses = await livekit.ingress.list_ingress(api.ListIngressRequest())
    return {
        *(each.sip_trunk_id for each in trunks.items),
        *(each.sip_dispatch_rule_id for each in rules.items),
        *(each.ingress_id for each in ingresses.items),
    }


async def removed(access: Access, site: Site, wanted: set[str]) -> None:
    async with client(access) as livekit:
        for one in (await livekit.ingress.list_ingress(api.ListIngressRequest())).items:
            if not one.HasField("state"):  # the last one: it was cut in two
                given_a_state(site, one.ingress_id)
        for each in wanted:
            if each.startswith("ST_"):
                await livekit.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=each))
            elif each.startswith("SDR_"):
                await livekit.sip.delete_dispatch_rule(api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=each))
            else:
                await livekit.ingress.delete_ingress(api.DeleteIngressRequest(ingress_id=each))


def test_what_redis_held_is_there_after_a_power_cut(access: Access, vm: Machine) -> None:
    writer = Writer(access)
    writer.start()
    try:
        end = time.monotonic() + BEGINS
        while not writer.made or writer.made[0][0] > time.monotonic() - 2 * SAVED:
            assert writer.is_alive(), writer.said
            assert time.monotonic() < end, "nothing is written"
            time.sleep(0.1)
        cut = time.monotonic()  # before it: what the cut itself takes counts for Redis
        vm.power("kill")
    finally:
        writer.over.set()
        writer.join()
    vm.power("start")
    vm.serves()
    there = asyncio.run(listed(access))
    old = {one for at, one in writer.made if at < cut - SAVED}
    assert old, "some were old enough"
    assert old <= there
    asyncio.run(removed(access, vm.lab.site, there))
    unchanging()
