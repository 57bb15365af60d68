"""Trunks and rules as LiveKit has them, seen through its own API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.json_format import MessageToDict
from livekit import api
from livekit.protocol import sip

from livekit_metal.call.access import Access
from livekit_metal.call.server import server_api
from tests.support.hosts.deploys import Told, deploy, unchanging, variant
from tests.support.hosts.lab import INVENTORY

T = TypeVar("T")


@pytest.fixture
def ask(access: Access) -> Callable[[Callable[[Any], Awaitable[T]]], T]:
    """Run something on LiveKit's API for SIP."""

    def run(doing: Callable[[Any], Awaitable[T]]) -> T:
        async def session() -> T:
            async with server_api(access) as client:
                return await doing(client.sip)

        return asyncio.run(session())

    return run


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    assert deploy().status == 0
    yield
    assert deploy().status == 0
    unchanging(INVENTORY)


async def everything(client: Any) -> dict[str, dict[str, Any]]:
    """All trunks and rules by id, without the times of their changes, and what says nothing.

    LiveKit adds an empty ``media`` to a trunk whose fields are changed one by one.
    """
    lists = (
        await client.list_inbound_trunk(sip.ListSIPInboundTrunkRequest()),
        await client.list_outbound_trunk(sip.ListSIPOutboundTrunkRequest()),
        await client.list_dispatch_rule(sip.ListSIPDispatchRuleRequest()),
    )
    found = [MessageToDict(item, preserving_proto_field_name=True) for one in lists for item in one.items]
    for item in found:
        item.pop("updated_at", None)
    said = [{key: value for key, value in item.items() if value != {}} for item in found]
    return {item.get("sip_trunk_id") or item["sip_dispatch_rule_id"]: item for item in said}


def changes(told: Told) -> list[str]:
    """What a deploy did to trunks and rules."""
    lines = (line.partition("] ")[2] for line in told.text.splitlines())
    return [line for line in lines if line.startswith(("sip: rule", "sip: inbound", "sip: outbound"))]


def test_a_changed_rule_changes_exactly_that(ask: Any, tmp_path: Path) -> None:
    before = ask(everything)
    told = deploy(variant(tmp_path, {"sip": {"rules": {"hotline": {"room": "elsewhere"}}}}))
    assert changes(told) == ["sip: rule hotline: change rule"], told.text
    after = ask(everything)
    assert after.keys() == before.keys(), "nothing was made again"
    (changed,) = [key for key in after if after[key] != before[key]]
    assert after[changed]["rule"]["dispatch_rule_direct"]["room_name"] == "elsewhere"
    after[changed]["rule"] = before[changed]["rule"]
    assert after == before


def test_what_is_made_is_made_whole_and_goes_when_the_site_has_it_no_more(ask: Any, tmp_path: Path) -> None:
    before = ask(everything)
    out = {"address": "sip.example.org:5070", "transport": "tcp", "numbers": ["+15550190"]}
    trunk = {"networks": ["192.0.2.0/29"], "numbers": ["+15550180"], "outbound": out}
    rule = {
        "trunks": ["extra"],
        "room_prefix": "extra-",
        "agents": [{"name": "reception", "metadata": "night"}],
        "hide_phone_number": True,
        "metadata": {"team": "night"},
        "attributes": {"queue": "1"},
    }
    more = variant(tmp_path, {"sip": {"trunks": {"extra": trunk}, "rules": {"extra": rule}}})
    told = deploy(more)
    assert changes(told) == [
        "sip: inbound trunk extra: create",
        "sip: outbound trunk extra: create",
        "sip: rule extra: create",
    ], told.text
    unchanging(more)
    made = {key: item for key, item in ask(everything).items() if key not in before}
    inbound, outbound, dispatch = (
        next(item for item in made.values() if what in item) for what in ("sip_trunk_id", "address", "rule")
    )
    assert inbound["numbers"] == ["+15550180"]
    assert outbound["headers"] == {"X-LiveKit-Metal-Trunk": "extra"}, "Kamailio knows where that leads"
    assert outbound["address"].startswith("127.0.0.1:")
    assert outbound["transport"] == "SIP_TRANSPORT_UDP"
    assert dispatch["trunk_ids"] == [inbound["sip_trunk_id"]]
    assert (dispatch["attributes"], dispatch["hide_phone_number"]) == ({"queue": "1"}, True)
    assert '"team": "night"' in dispatch["metadata"]
    assert [agent["agent_name"] for agent in dispatch["room_config"]["agents"]] == ["reception"]
    assert len(changes(deploy())) == 3
    assert ask(everything) == before


def test_what_others_made_is_left_alone_and_drift_of_ours_is_mended(ask: Any) -> None:
    before = ask(everything)

    async def meddle(client: Any) -> str:
        foreign = await client.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(trunk=sip.SIPInboundTrunkInfo(name="by hand", numbers=["+15550170"]))
        )
        ours = next(key for key, item in before.items() if "rule" not in item and "+15550100" in item["numbers"])
        await client.update_inbound_trunk_fields(ours, numbers=["+15550100", "+15550666"])
        return str(foreign.sip_trunk_id)

    foreign = ask(meddle)
    try:
        told = deploy()
        assert changes(told) == ["sip: inbound trunk carrier: change numbers"], told.text
        assert f"inbound trunks that are not ours, left alone: by hand ({foreign})" in told.text
        after = ask(everything)
        assert after.pop(foreign)["numbers"] == ["+15550170"]
        assert after == before
    finally:
        ask(lambda client: client.delete_trunk(sip.DeleteSIPTrunkRequest(sip_trunk_id=foreign)))
