"""Trunks and rules brought to what the site says: by curl, against an API that keeps what it is told."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.sip import telephony
from livekit_metal.roles.sip.rules import Rule
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site
from tests.support.hosts.local_host import HOST, LocalHost
from tests.support.programs.sip_api import SipApi, serving

FOREIGN = {"name": "by hand", "numbers": ["+15559999"], "metadata": "not json"}
IN, OUT, RULE = "SIPInboundTrunk", "SIPOutboundTrunk", "SIPDispatchRule"


@pytest.fixture
def api(phones: Site) -> Iterator[SipApi]:
    found = phones.for_host("lk1").the(Settings)
    key, secret = next(iter(found.api_keys.items()))
    with serving(key, secret.reveal()) as running:
        yield running


@pytest.fixture
def sip(phones: Site, api: SipApi) -> Settings:
    found = phones.for_host("lk1").the(Settings)
    return replace(found, ws_url=f"ws://127.0.0.1:{api.port}")


def plan(settings: Settings, local: LocalHost) -> Plan:
    task = telephony.reconcile(settings)
    return task.plan(local.look(task.needs))


def deploy(settings: Settings, local: LocalHost) -> list[str]:
    """The names of the actions; afterwards there is nothing left to do."""
    todo = plan(settings, local)
    for action in todo.actions:
        action.run(HOST)
    assert plan(settings, local).actions == (), "a second deploy changes nothing"
    return [action.name for action in todo.actions]


def test_where_nothing_is_all_is_made_and_rules_lead_to_the_trunks_they_name(
    sip: Settings, api: SipApi, local: LocalHost
) -> None:
    assert len(deploy(sip, local)) == 5
    assert api.calls == [f"Create{IN}", f"Create{IN}", f"Create{OUT}", f"Create{RULE}", f"Create{RULE}"]
    trunks, rules = api.named(IN), api.named(RULE)
    assert {name: trunk["numbers"] for name, trunk in trunks.items()} == {
        "carrier": ["+15550100", "+15550101"],
        "office": [],
    }
    assert trunks["office"]["auth_password"] == "pass:word"
    assert {trunk["allowed_addresses"][0] for trunk in trunks.values()} == {"127.0.0.1/32"}
    assert api.named(OUT)["out"]["address"] == sip.way_out, "Kamailio knows where that leads"
    assert rules["hotline"]["trunk_ids"] == [trunks["carrier"]["sip_trunk_id"]]
    assert rules["rest"]["trunk_ids"] == [trunks[name]["sip_trunk_id"] for name in ("carrier", "office")]
    assert rules["hotline"]["rule"]["dispatch_rule_direct"]["room_name"] == "hotline"


def test_a_change_is_one_call_and_keeps_the_id_and_all_else(sip: Settings, api: SipApi, local: LocalHost) -> None:
    deploy(sip, local)
    before = copy.deepcopy(api.items)
    api.calls.clear()
    rules = {**sip.rules, "hotline": replace(sip.rules["hotline"], room="elsewhere")}
    assert deploy(replace(sip, rules=rules), local) == ["rule hotline: change rule"]
    assert api.calls == [f"Update{RULE}"]
    changed = api.named(RULE)["hotline"]
    assert changed["rule"]["dispatch_rule_direct"]["room_name"] == "elsewhere"
    assert changed["sip_dispatch_rule_id"] in before[RULE]
    before[RULE].pop(changed["sip_dispatch_rule_id"])
    now = copy.deepcopy(api.items)
    now[RULE].pop(changed["sip_dispatch_rule_id"])
    assert now == before


def test_drift_is_undone(sip: Settings, api: SipApi, local: LocalHost) -> None:
    deploy(sip, local)
    trunk = api.named(IN)["carrier"]
    api.items[IN][trunk["sip_trunk_id"]]["allowed_addresses"] = ["0.0.0.0/0"]
    assert deploy(sip, local) == ["inbound trunk carrier: change allowed_addresses"]
    assert api.named(IN)["carrier"]["allowed_addresses"] == ["127.0.0.1/32"]


def test_what_others_made_outlives_all_of_ours(sip: Settings, api: SipApi, local: LocalHost) -> None:
    theirs = copy.deepcopy([api.create(kind, FOREIGN) for kind in (IN, OUT, RULE)])
    deploy(sip, local)
    api.calls.clear()
    deploy(replace(sip, trunks={}, rules={}), local)
    assert api.calls == ["DeleteSIPDispatchRule"] * 2 + ["DeleteSIPTrunk"] * 3
    assert [item for items in api.items.values() for item in items.values()] == theirs


def test_a_trunk_that_is_made_again_takes_its_rules_with_it(sip: Settings, api: SipApi, local: LocalHost) -> None:
    """A rule that names a trunk which is gone lets nobody in: it gets the id of the new one."""
    deploy(sip, local)
    old = api.named(IN)["carrier"]["sip_trunk_id"]
    del api.items[IN][old]
    deploy(sip, local)
    new = api.named(IN)["carrier"]["sip_trunk_id"]
    assert new != old
    assert api.named(RULE)["hotline"]["trunk_ids"] == [new]


def test_what_has_become_right_since_the_look_is_not_done_again(sip: Settings, api: SipApi, local: LocalHost) -> None:
    """Another run has done it, or this one before it was killed."""
    first = plan(sip, local)
    deploy(sip, local)
    api.calls.clear()
    for action in first.actions:
        action.run(HOST)
    rules = {**sip.rules, "hotline": replace(sip.rules["hotline"], room="elsewhere")}
    changed = plan(replace(sip, rules=rules), local)
    gone = plan(replace(sip, rules={}), local)
    assert api.calls == []
    for todo in (changed, gone):
        todo.actions[0].run(HOST)
        done = list(api.calls)
        todo.actions[0].run(HOST)
        assert api.calls == done


def test_a_new_rule_for_a_new_trunk_comes_after_it(sip: Settings, api: SipApi, local: LocalHost) -> None:
    deploy(sip, local)
    trunks = {**sip.trunks, "second": replace(sip.trunks["carrier"], numbers=("+15550200",))}
    rules = {**sip.rules, "second": Rule(trunks=("second",), room="second")}
    assert deploy(replace(sip, trunks=trunks, rules=rules), local) == [
        "inbound trunk second: create",
        "rule second: create",
    ]
    assert api.named(RULE)["second"]["trunk_ids"] == [api.named(IN)["second"]["sip_trunk_id"]]


def test_words_of_any_kind_arrive_as_they_are(sip: Settings, api: SipApi, local: LocalHost) -> None:
    """They pass through a shell, and through JSON."""
    words: Any = {"note": 'it\'s "$(id)" \\ `id` %s END\nEND\n'}
    rules = {**sip.rules, "hotline": replace(sip.rules["hotline"], metadata=words, attributes={"a": "ü$HOME"})}
    deploy(replace(sip, rules=rules), local)
    found = api.named(RULE)["hotline"]
    assert json.loads(found["metadata"])["note"] == words["note"]
    assert found["attributes"] == {"a": "ü$HOME"}


def test_a_refusal_is_told_in_livekits_words_and_ends_the_turn(sip: Settings, api: SipApi, local: LocalHost) -> None:
    api.refuses[f"Create{RULE}"] = "Dispatch rule for the same trunk, number, and PIN combination already exists"
    with pytest.raises(HostError, match=r"LiveKit refuses CreateSIPDispatchRule: .*already exists"):
        deploy(sip, local)
    assert api.named(RULE) == {}
    api.refuses.clear()
    assert deploy(sip, local) == ["rule hotline: create", "rule rest: create"], "what was done stays"


def test_an_api_that_knows_other_keys_is_told_apart_from_one_that_has_nothing(
    sip: Settings, api: SipApi, local: LocalHost
) -> None:
    wrong = replace(sip, api_keys={api.key: Secret("api_keys", "s" * 32)})
    todo = plan(wrong, local)
    with pytest.raises(HostError, match="its API does not answer, or not to the first API key"):
        todo.actions[0].run(HOST)
    assert api.calls == []
