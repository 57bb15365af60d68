"""What the sip role plans from what it sees: slots, and the trunks and rules that LiveKit has."""

from __future__ import annotations

import base64
import copy
import dataclasses
import hashlib
import hmac
import json
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core.slots.decision import GUARD
from livekit_metal.roles.sip import tasks, telephony
from livekit_metal.roles.sip.objects import KINDS, desired
from livekit_metal.roles.sip.rules import Rule
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.roles.wanted import names


@pytest.fixture
def sip(phones: Site, no_download: None) -> Settings:
    found = phones.for_host("lk1").sip
    assert found
    return found


@pytest.fixture
def wanted(sip: Settings) -> Generation:
    return tasks.Sip(sip).desired()[1]


def host(active: str = "", **slots: str) -> HostState:
    """A host with ``slots`` given as "ActiveState generation"."""
    units = {GUARD: {"ActiveState": "active", "UnitFileState": "enabled"}}
    for slot, text in slots.items():
        state, _, generation = text.partition(" ")
        units[Settings.unit.format(slot)] = {"ActiveState": state, "Stamp": generation}
    probes = {"sip.active": [active] if active else [], "sip.generations": [], "sip.releases": []}
    return HostState(units=units, answers=probes)


def test_trunks_and_rules_are_no_part_of_what_a_slot_runs(sip: Settings, wanted: Generation) -> None:
    other = dataclasses.replace(sip, trunks={}, rules={})
    assert tasks.Sip(other).desired()[1].name == wanted.name


def test_a_deploy_is_refused_while_a_secret_is_missing(sip: Settings) -> None:
    with pytest.raises(PyinfraError, match=r"sip-office not among the secrets; store it: python -m procedures.secrets"):
        tasks.Sip(dataclasses.replace(sip, missing=("sip-office",))).desired()


def test_a_deploy_is_refused_while_a_secret_opens_a_trunk(phones: Site, no_download: None) -> None:
    trunks = {**phones.sip.trunks, "carrier": dataclasses.replace(phones.sip.trunks["carrier"], numbers=())}
    trunks["carrier"] = dataclasses.replace(trunks["carrier"], secret_numbers=True)
    site = dataclasses.replace(phones, sip=dataclasses.replace(phones.sip, trunks=trunks))
    assert site.vault
    site.vault.set_password("sip-carrier-numbers", "*")
    found = site.for_host("lk1").sip
    assert found
    with pytest.raises(PyinfraError, match=r"secrets.passwords.sip-carrier-numbers: word 1 of 1 is not a number"):
        tasks.Sip(found).desired()


def test_a_token_is_one_that_livekit_takes() -> None:
    head, claims, signed = telephony.token("APIkey", "secret", 1000.0).split(".")

    def read(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    assert json.loads(read(head)) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(read(claims)) == {"iss": "APIkey", "exp": 1600, "sip": {"admin": True}}
    assert read(signed) == hmac.digest(b"secret", f"{head}.{claims}".encode(), hashlib.sha256)


def livekit(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """What LiveKit would answer if it had exactly what the site declares, as LiveKit fills it in."""
    has: dict[str, list[dict[str, Any]]] = {kind.name: [] for kind in KINDS}
    ids = {name: f"ST_{name}" for name in desired(settings, None)["inbound"]}
    for kind in KINDS:
        for name, item in desired(settings, ids)[kind.name].items():
            own = {kind.id: ids.get(name, f"X_{name}"), "krisp_enabled": False, "created_at": {"seconds": "1"}}
            has[kind.name].append(copy.deepcopy(item) | own | {"include_headers": "SIP_NO_HEADERS"})
    return has


def seen(has: dict[str, list[dict[str, Any]]], code: str = "200") -> HostState:
    lines = [line for kind, items in has.items() for line in (kind, json.dumps({"items": items}), code)]
    return HostState(answers={"sip.telephony": lines})


def plan(settings: Settings, now: HostState) -> list[str]:
    return names(telephony.reconcile(settings).plan(now))


def test_everything_is_made_where_nothing_is_and_before_livekit_answers(sip: Settings) -> None:
    steps = [
        "inbound trunk carrier: create",
        "inbound trunk office: create",
        "outbound trunk out: create",
        "rule hotline: create",
        "rule rest: create",
    ]
    assert plan(sip, seen({kind.name: [] for kind in KINDS})) == steps
    assert plan(sip, HostState(answers={"sip.telephony": ["inbound", "", "000"]})) == steps
    assert plan(sip, HostState(answers={"sip.telephony": []})) == steps


def test_what_is_as_declared_is_left_alone(sip: Settings) -> None:
    assert plan(sip, seen(livekit(sip))) == []


def test_a_changed_rule_is_exactly_one_change(sip: Settings) -> None:
    rules = {**sip.rules, "hotline": dataclasses.replace(sip.rules["hotline"], room="elsewhere")}
    assert plan(dataclasses.replace(sip, rules=rules), seen(livekit(sip))) == ["rule hotline: change rule"]


def test_drift_is_named_by_its_fields_and_never_by_a_value(sip: Settings) -> None:
    now = livekit(sip)
    now["inbound"][0]["allowed_addresses"] = ["0.0.0.0/0"]
    now["inbound"][1]["auth_password"] = "somebody's"
    assert plan(sip, seen(now)) == [
        "inbound trunk carrier: change allowed_addresses",
        "inbound trunk office: change auth_password",
    ]


def test_what_the_site_has_no_more_goes_rules_before_their_trunks(sip: Settings) -> None:
    gone = dataclasses.replace(sip, trunks={}, rules={"other": Rule(trunks=("carrier",), room="x")})
    assert plan(gone, seen(livekit(sip))) == [
        "rule hotline: delete",
        "rule rest: delete",
        "outbound trunk out: delete",
        "inbound trunk carrier: delete",
        "inbound trunk office: delete",
        "rule other: create",
    ]


def test_what_others_made_is_left_alone_and_reported(sip: Settings) -> None:
    now = livekit(sip)
    now["inbound"].append({"sip_trunk_id": "ST_1", "name": "by hand", "metadata": "not json"})
    now["rule"].append({"sip_dispatch_rule_id": "SDR_1", "metadata": '["list"]'})
    todo = telephony.reconcile(sip).plan(seen(now))
    assert todo.actions == ()
    assert todo.notes == (
        "inbound trunks that are not ours, left alone: by hand (ST_1)",
        "rules that are not ours, left alone: without a name (SDR_1)",
    )


def test_what_is_asked_shows_no_secret_to_who_prints_it(sip: Settings) -> None:
    part = telephony.reconcile(sip)
    assert "Bearer" not in repr(part.needs)
    assert next(iter(sip.api_keys.values())).reveal() not in str(part.needs.queries)
