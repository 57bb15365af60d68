"""What the inventory says of trunks and rules is brought to LiveKit; what it does not say stays, and is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.sip import telephony
from livekit_metal.roles.sip.rules import Agent, RoomConfig
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.site.model import Site
from tests.roles.steps.test_telephony import IN, OUT, RULE, deploy, plan
from tests.support.hosts.local_host import LocalHost
from tests.support.programs.sip_api import SipApi, serving

AGENT = Agent(name="reception", metadata='{"lang": "de"}', deployment="blue")


@pytest.fixture
def api(phones: Site) -> Iterator[SipApi]:
    key, secret = next(iter(phones.for_host("lk1").the(Settings).api_keys.items()))
    with serving(key, secret.reveal()) as running:
        yield running


@pytest.fixture
def sip(phones: Site, api: SipApi) -> Settings:
    return replace(phones.for_host("lk1").the(Settings), ws_url=f"ws://127.0.0.1:{api.port}")


def with_rule(sip: Settings, **changes: Any) -> Settings:
    return replace(sip, rules={**sip.rules, "hotline": replace(sip.rules["hotline"], **changes)})


def by_hand(api: SipApi, kind: str, name: str, **fields: Any) -> None:
    """What somebody does with `lk`, or an application with the API."""
    api.named(kind)[name].update(fields)


def test_an_agent_that_a_rule_names_is_in_its_room_configuration(sip: Settings, api: SipApi, local: LocalHost) -> None:
    """The row P1."""
    deploy(with_rule(sip, agents=(AGENT,), room_config=RoomConfig(empty_timeout=Duration(60), metadata="x")), local)
    assert api.named(RULE)["hotline"]["room_config"] == {
        "empty_timeout": 60,
        "metadata": "x",
        "agents": [{"agent_name": "reception", "metadata": '{"lang": "de"}', "deployment": "blue"}],
    }


def test_agents_that_somebody_set_by_hand_outlive_a_deploy_and_a_change(
    sip: Settings, api: SipApi, local: LocalHost
) -> None:
    """What P1 was about: the next deploy took them away."""
    deploy(sip, local)
    theirs = {"agents": [{"agent_name": "theirs"}], "max_participants": 3}
    by_hand(api, RULE, "hotline", room_config=theirs, krisp_enabled=True)
    assert plan(sip, local).actions == ()
    assert plan(sip, local).notes == ("rule hotline: not in the inventory, left as it is: krisp_enabled, room_config",)
    assert deploy(with_rule(sip, room="elsewhere"), local) == ["rule hotline: change rule"]
    kept = api.named(RULE)["hotline"]["room_config"]
    assert ([each["agent_name"] for each in kept["agents"]], kept["max_participants"]) == (["theirs"], 3)
    assert api.named(RULE)["hotline"]["krisp_enabled"] is True


def test_agents_of_the_inventory_outlive_a_change_of_another_field_by_hand(
    sip: Settings, api: SipApi, local: LocalHost
) -> None:
    ours = with_rule(sip, agents=(AGENT,))
    deploy(ours, local)
    by_hand(api, RULE, "hotline", hide_phone_number=True)
    api.named(RULE)["hotline"]["room_config"]["empty_timeout"] = 5
    assert deploy(ours, local) == ["rule hotline: change hide_phone_number"]
    found = api.named(RULE)["hotline"]["room_config"]
    assert (found["agents"][0]["agent_name"], found["empty_timeout"]) == ("reception", 5)
    assert plan(ours, local).notes == ("rule hotline: not in the inventory, left as it is: room_config.empty_timeout",)


def test_agents_that_the_inventory_owns_are_put_right(sip: Settings, api: SipApi, local: LocalHost) -> None:
    ours = with_rule(sip, agents=(AGENT,))
    deploy(ours, local)
    api.named(RULE)["hotline"]["room_config"]["agents"].append({"agent_name": "another"})
    assert deploy(ours, local) == ["rule hotline: change room_config"]
    assert [a["agent_name"] for a in api.named(RULE)["hotline"]["room_config"]["agents"]] == ["reception"]
    assert deploy(with_rule(sip, agents=()), local) == ["rule hotline: change room_config"], "none is said, too"
    assert api.named(RULE)["hotline"]["room_config"]["agents"] == []


def test_a_rule_of_another_kind_takes_nothing_of_the_old_one_with_it(
    sip: Settings, api: SipApi, local: LocalHost
) -> None:
    """LiveKit would refuse both at once: it is a oneof."""
    deploy(sip, local)
    assert deploy(with_rule(sip, room="", room_prefix="call-"), local) == ["rule hotline: change rule"]
    assert list(api.named(RULE)["hotline"]["rule"]) == ["dispatch_rule_individual"]
    api.named(RULE)["hotline"]["rule"]["dispatch_rule_individual"]["no_randomness"] = True
    deploy(with_rule(sip, room="", room_prefix="talk-"), local)
    found = api.named(RULE)["hotline"]["rule"]["dispatch_rule_individual"]
    assert (found["room_prefix"], found["no_randomness"]) == ("talk-", True)


def test_metadata_is_shared_with_who_writes_another_key(sip: Settings, api: SipApi, local: LocalHost) -> None:
    deploy(sip, local)
    mark = json.loads(api.named(RULE)["hotline"]["metadata"])
    by_hand(api, RULE, "hotline", metadata=json.dumps({**mark, "theirs": 1}))
    assert deploy(with_rule(sip, metadata={"team": "night"}), local) == ["rule hotline: change metadata"]
    assert json.loads(api.named(RULE)["hotline"]["metadata"]) == {**mark, "theirs": 1, "team": "night"}


def test_headers_attributes_times_and_encryption_are_livekits_fields(
    sip: Settings, api: SipApi, local: LocalHost
) -> None:
    carrier = replace(
        sip.trunks["carrier"],
        headers={"X-From": "us"},
        headers_to_attributes={"X-Queue": "queue"},
        attributes_to_headers={"result": "X-Result"},
        include_headers="x",
        encryption="require",
        ringing_timeout=Duration(45),
        call_timeout=Duration(7200),
        media_timeout=Duration(60),
        krisp=True,
    )
    deploy(replace(sip, trunks={**sip.trunks, "carrier": carrier}), local)
    found = api.named(IN)["carrier"]
    assert found["headers"] == {"X-From": "us"}
    assert found["headers_to_attributes"] == {"X-Queue": "queue"}
    assert found["attributes_to_headers"] == {"result": "X-Result"}
    assert (found["include_headers"], found["krisp_enabled"]) == ("SIP_X_HEADERS", True)
    assert (found["ringing_timeout"], found["max_call_duration"]) == ("45s", "7200s")
    assert found["media"] == {"encryption": "SIP_MEDIA_ENCRYPT_REQUIRE", "media_timeout": "60s"}


def test_encryption_is_put_right_in_both_of_livekits_fields(sip: Settings, api: SipApi, local: LocalHost) -> None:
    """protocol keeps the old field beside the new one, and makes it from that: sent along, it would win."""
    ours = with_rule(sip, encryption="require")
    deploy(ours, local)
    by_hand(
        api,
        RULE,
        "hotline",
        media={"encryption": "SIP_MEDIA_ENCRYPT_ALLOW"},
        media_encryption="SIP_MEDIA_ENCRYPT_ALLOW",
    )
    assert deploy(ours, local) == ["rule hotline: change media"]
    assert api.named(RULE)["hotline"]["media"] == {"encryption": "SIP_MEDIA_ENCRYPT_REQUIRE"}
    assert "media_encryption" not in api.named(RULE)["hotline"]
    assert plan(ours, local).notes == ()


def test_callers_are_those_of_the_rule_and_a_range_its_numbers(sip: Settings, api: SipApi, local: LocalHost) -> None:
    deploy(with_rule(sip, callers=("+491",), numbers=("+15550100-01",)), local)
    found = api.named(RULE)["hotline"]
    assert (found["inbound_numbers"], found["numbers"]) == (["+491"], ["+15550100", "+15550101"])


def test_a_call_out_that_no_longer_goes_by_kamailio_tells_the_carrier_nothing_of_it(
    sip: Settings, api: SipApi, local: LocalHost
) -> None:
    deploy(sip, local)
    assert api.named(OUT)["out"]["headers"] == {sip.trunk_header: "out"}
    out = sip.trunks["out"].outbound
    assert out
    straight = {
        **sip.trunks,
        "out": replace(sip.trunks["out"], outbound=replace(out, via="slot", headers={"X-A": "1"})),
    }
    assert deploy(replace(sip, trunks=straight), local) == ["outbound trunk out: change address, headers, transport"]
    assert api.named(OUT)["out"]["headers"] == {"X-A": "1"}
    assert api.named(OUT)["out"]["address"] == "sip.example.org"


def test_what_is_left_alone_is_named_without_a_value(sip: Settings, api: SipApi, local: LocalHost) -> None:
    deploy(sip, local)
    by_hand(api, IN, "carrier", auth_username="theirs", auth_password="hidden", allowed_numbers=["+4917"])
    (note,) = telephony.reconcile(sip).plan(local.look(telephony.reconcile(sip).needs)).notes
    assert note == (
        "inbound trunk carrier: not in the inventory, left as it is: allowed_numbers, auth_password, auth_username"
    )
