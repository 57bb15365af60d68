"""What trunks and rules of a site become on its hosts and in LiveKit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.roles.sip.objects import desired
from livekit_metal.roles.sip.settings import Settings as Sip
from livekit_metal.roles.sip.tasks import Sip as Daemon
from livekit_metal.site.model import Site
from tests.support.values.sites import PHONES, SINGLE

MakeSite = Callable[[dict[str, Any]], Site]


@pytest.fixture
def data() -> dict[str, Any]:
    made = copy.deepcopy(SINGLE | PHONES)
    made["hosts"]["lk1"]["roles"].append("sip")
    return made


def cluster(data: dict[str, Any]) -> dict[str, Any]:
    """The same with a second host that takes phone calls, both behind NAT."""
    data["hosts"]["lk1"] |= {"address": "10.0.0.11", "public": "203.0.113.11"}
    second = {"address": "10.0.0.12", "public": "203.0.113.12", "roles": ["livekit", "sip"]}
    data["hosts"]["lk2"] = data["hosts"]["lk1"] | second
    return data


def test_a_pbx_on_a_private_network_may_call_any_number(make_site: MakeSite, data: dict[str, Any]) -> None:
    """The row P2: an application makes the rules and their numbers."""
    data["sip"] |= {"trunks": {"pbx": {"networks": ["10.0.0.9/32"]}}, "rules": {}}
    stack = make_site(data).for_host("lk1")
    assert [source.numbers.reveal() for source in stack.the(Kamailio).sources] == ["*"]
    inbound = desired(stack.the(Sip), None)["inbound"]["pbx"]
    assert inbound["numbers"] == []
    assert inbound["allowed_addresses"] == ["127.0.0.1/32"]


def test_any_number_from_a_public_network_is_taken_where_it_is_asked_for_in_words(
    make_site: MakeSite, data: dict[str, Any]
) -> None:
    data["sip"] |= {"trunks": {"carrier": {"networks": ["198.51.100.0/24"], "any_number": True}}, "rules": {}}
    assert [source.numbers.reveal() for source in make_site(data).for_host("lk1").the(Kamailio).sources] == ["*"]


def test_a_range_is_its_numbers_for_livekit_and_a_prefix_is_all_that_reach_it(
    make_site: MakeSite, data: dict[str, Any]
) -> None:
    data["sip"]["trunks"]["office"] = {"networks": ["203.0.113.7/32"], "numbers": ["+4930123400-+4930123402"]}
    data["sip"]["trunks"]["carrier"]["numbers"].append("+4940*")
    data["sip"]["rules"]["hotline"]["numbers"] = ["+15550100", "+4930123400-01"]
    data["sip"]["rules"]["hotline"]["trunks"].append("office")
    stack = make_site(data).for_host("lk1")
    made = desired(stack.the(Sip), None)
    assert made["inbound"]["office"]["numbers"] == ["+4930123400", "+4930123401", "+4930123402"]
    assert made["inbound"]["carrier"]["numbers"] == []
    assert made["rule"]["hotline"]["numbers"] == ["+15550100", "+4930123400", "+4930123401"]
    assert [source.numbers.reveal() for source in stack.the(Kamailio).sources] == [
        "~^([+]15550100|[+]15550101|[+]4940[^,]*)$",
        "~^([+]15550100|[+]15550101|[+]4940[^,]*|[+]493012340[0-2])$",
        "-",
    ]


def test_a_trunk_of_named_hosts_is_no_other_host_s(make_site: MakeSite, data: dict[str, Any]) -> None:
    register = {"registrar": "sip.example.org", "user": "4930"}
    data["sip"]["trunks"]["office"] |= {"hosts": ["lk2"], "register": register}
    site = make_site(cluster(data))
    assert site.vault
    site.vault.set_password("sip-office-register", "x")
    sources = {name: site.for_host(name).the(Kamailio).sources for name in ("lk1", "lk2")}
    assert {s.network: s.numbers.reveal() for s in sources["lk1"]}["203.0.113.7/32"] == "+15550100,+15550101"
    assert {s.network: s.numbers.reveal() for s in sources["lk2"]}["203.0.113.7/32"] == "*"
    assert [len(site.for_host(name).the(Kamailio).registrations) for name in ("lk1", "lk2")] == [0, 1]
    data["sip"]["trunks"]["carrier"]["networks"] = ["198.51.100.0/24"]
    site = make_site(data)
    peers = [site.for_host(name).firewall.peers["trunks"] for name in ("lk1", "lk2")]
    assert ["203.0.113.7/32" in each for each in peers] == [False, True]


def test_calls_out_of_a_trunk_of_some_hosts_are_refused(make_site: MakeSite, data: dict[str, Any]) -> None:
    data["sip"]["trunks"]["out"]["hosts"] = ["lk2"]
    with pytest.raises(SiteError, match=r"sip.trunks.out.outbound: is of a trunk that only some hosts serve; LiveKit"):
        make_site(cluster(data))


def test_calls_out_go_by_kamailio_and_the_last_host_tells_livekit(make_site: MakeSite, data: dict[str, Any]) -> None:
    """Whichever host makes the call: the object that LiveKit has is one, and every Kamailio knows it by then."""
    site = make_site(cluster(data))
    stacks = [site.for_host(name) for name in ("lk1", "lk2")]
    assert [stack.the(Sip).reconciles for stack in stacks] == [False, True]
    out = desired(stacks[1].the(Sip), None)["outbound"]["out"]
    assert (out["address"], out["transport"]) == (f"127.0.0.1:{stacks[0].the(Kamailio).inside}", "SIP_TRANSPORT_UDP")
    assert out["headers"] == {"X-LiveKit-Metal-Trunk": "out"}
    assert out["numbers"] == ["+15550109"]
    for stack in stacks:
        assert [(each.trunk, each.target) for each in stack.the(Kamailio).outgoing] == [("out", "sip.example.org")]


def test_tls_without_a_certificate_goes_out_of_the_slot_and_with_one_by_kamailio(
    make_site: MakeSite, data: dict[str, Any]
) -> None:
    data["sip"]["trunks"]["out"]["outbound"]["transport"] = "tls"
    site = make_site(data)
    assert site.for_host("lk1").the(Kamailio).outgoing == ()
    assert desired(site.for_host("lk1").the(Sip), None)["outbound"]["out"]["address"] == "sip.example.org"
    data["kamailio"] = {"certificate": "/etc/x/cert.pem", "certificate_key": "/etc/x/key.pem"}
    (out,) = make_site(data).for_host("lk1").the(Kamailio).outgoing
    assert out.target == "sip.example.org;transport=tls"


def notes(site: Site) -> list[str]:
    return [f"{note.path}: {note.fact}" for note in site.for_host("lk1").the(Preflight).notes]


def test_what_cannot_work_and_does_no_harm_is_noted(make_site: MakeSite, data: dict[str, Any]) -> None:
    assert not [note for note in notes(make_site(data)) if note.startswith("sip.")]
    del data["sip"]["rules"]["rest"]
    data["sip"]["trunks"]["out"]["outbound"] |= {"via": "slot"}
    data["hosts"]["lk1"] |= {"address": "10.0.0.11", "public": "203.0.113.11"}
    assert [note for note in notes(make_site(data)) if note.startswith("sip.")] == [
        "sip.trunks.office: no rule takes its calls: they are refused with 404",
        "sip.trunks.out.outbound: leads past Kamailio, and lk1 is behind NAT: a carrier may not be able to hang up",
    ]


def test_rules_with_the_same_pin_are_named_without_it(make_site: MakeSite, data: dict[str, Any]) -> None:
    data["sip"]["rules"] = {
        name: {"trunks": ["carrier"], "room": name, "pin": True} for name in ("first", "second", "third")
    }
    site = make_site(data)
    assert site.vault
    for name, pin in (("first", "4711"), ("second", "4711"), ("third", "4712")):
        site.vault.set_password(f"sip-rule-{name}", pin)
    (found,) = site.for_host("lk1").the(Sip).wrong
    assert found.path == "sip.rules.second"
    assert "4711" not in str(found)


def test_silence_is_a_setting_and_a_drain_waits_for_the_longest(make_site: MakeSite, data: dict[str, Any]) -> None:
    """The row P4: music on hold is silence to some carriers."""
    data["sip"]["media_timeout"] = "2m"
    data["sip"]["rules"]["hotline"]["media_timeout"] = "5m"
    sip = make_site(data).for_host("lk1").the(Sip)
    assert sip.own_config("a")["media_timeout"] == "120s"
    assert desired(sip, None)["rule"]["hotline"]["media"] == {"media_timeout": "300s"}
    assert Daemon(sip).switchover().grace == 330
