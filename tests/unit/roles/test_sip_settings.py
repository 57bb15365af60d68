"""Trunks and rules: nothing may be a catch-all, and every error is said as `path: fact; remedy`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Reach
from livekit_metal.roles.sip import wiring as phone_facts
from livekit_metal.site.model import Site
from tests.support.values.sites import PHONES, SINGLE

MakeSite = Callable[[dict[str, Any]], Site]


@pytest.fixture
def data() -> dict[str, Any]:
    made = copy.deepcopy(SINGLE | PHONES)
    made["hosts"]["lk1"]["roles"].append("sip")
    return made


def put(data: dict[str, Any], path: str, value: object) -> None:
    *above, last = path.split("/")
    for key in above:
        data = data.setdefault(key, {})
    data[last] = value


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "sip/trunks/carrier/networks",
            ["0.0.0.0/0"],
            "sip.trunks.carrier.networks[0]: is everybody; name the networks that the carrier signals from",
        ),
        (
            "sip/trunks/carrier/networks",
            [],
            "sip.trunks.carrier.networks: is empty; name the networks that the carrier signals from",
        ),
        (
            "sip/trunks/carrier/networks",
            ["2001:db8::/32"],
            "sip.trunks.carrier.networks[0]: '2001:db8::/32' is not an IPv4 network; write an IPv4 network such as",
        ),
        (
            "sip/trunks/carrier/numbers",
            [],
            "sip.trunks.carrier: would take any call to any number; set numbers, secret_numbers or user; or outbound",
        ),
        (
            "sip/trunks/carrier/numbers",
            ["+49 30 1"],
            "sip.trunks.carrier.numbers[0]: '+49 30 1' is not a number; write it as the carrier sends it: +4930123456",
        ),
        (
            "sip/trunks/office/numbers",
            ["+15550100"],
            "sip.trunks.office.numbers: +15550100 is also one of carrier; give each number to one trunk",
        ),
        (
            "sip/trunks/office/networks",
            ["198.51.100.128/25"],
            "sip.trunks.office.networks: 198.51.100.128/25 overlaps 198.51.100.0/24 of carrier; write them apart, or",
        ),
        (
            "sip/trunks/Out",
            {"networks": ["192.0.2.1/32"], "user": "x"},
            "sip.trunks.Out: is not a name for it; use up to 31 lower-case letters, digits and dashes",
        ),
        (
            "sip/trunks/out/outbound/address",
            "sip:example.org;lr",
            "sip.trunks.out.outbound.address: 'sip:example.org;lr' is not host:port; write sip.example.org or",
        ),
        (
            "sip/trunks/office/register",
            {"registrar": "sip.example.org", "user": ""},
            "sip.trunks.office.register.user: is empty; write the user that the carrier gave you",
        ),
        (
            "sip/rules/hotline/trunks",
            [],
            "sip.rules.hotline.trunks: is empty, so it would take calls of every trunk; name the trunks whose calls",
        ),
        (
            "sip/rules/hotline/trunks",
            ["carier"],
            "sip.rules.hotline.trunks[0]: 'carier' is not a trunk; known here: carrier, office, out",
        ),
        (
            "sip/rules/hotline/trunks",
            ["out"],
            "sip.rules.hotline.trunks[0]: out is for calls out only; give trunks.out numbers or a user, or drop",
        ),
        (
            "sip/rules/hotline/room_prefix",
            "x",
            "sip.rules.hotline: needs exactly one of room and room_prefix; set one of them",
        ),
        ("sip/rtp", "10000-10004", "sip.rtp: has 5 ports for 3 slots; widen it"),
        (
            "sip/rtp",
            "50000-50999",
            "sip.rtp: sip/rtp-a (udp 50000-50333) overlaps livekit/media-a (udp 50000-53333) on lk1; move one of them",
        ),
        (
            "sip/port",
            "5060-5062",
            "kamailio.port: kamailio/sip-tcp (tcp 5060) overlaps sip/sip-tcp-a (tcp 5060) on lk1",
        ),
        ("sip/extra", {"sip_port": 5060}, "sip.extra.sip_port: is set by livekit-metal; use sip.port"),
        (
            "sip/extra",
            {"api_secret": "x"},
            "sip.extra.api_secret: is set by livekit-metal; use python -m procedures.secrets",
        ),
        ("sip/file", "", "sip.file: is empty while source is 'file'; set it to the path of the program"),
        ("sip/drain", {"deadline": "5s"}, "sip.drain.deadline: is 5s; give calls at least 10s"),
        ("sip/max_cpu", 1.5, "sip.max_cpu: is 1.5; choose a share above 0, up to 1"),
        ("kamailio/port", 506, "kamailio.port: is 506; choose one from 1024 up: Kamailio runs without privileges"),
        (
            "kamailio/certificate",
            "/etc/x.pem",
            "kamailio.certificate: and certificate_key belong together; set both, or none",
        ),
        ("kamailio/flood", 1, "kamailio.flood: is 1; let a carrier send at least 10 requests in 2 s"),
        ("hosts/lk1/roles", ["redis", "livekit"], "sip.trunks: are declared and no host has the role sip; give it to"),
        (
            "hosts/lk1/address",
            "2001:db8::1",
            "hosts.lk1.address: has the role sip and an IPv6 address; give it an IPv4",
        ),
    ],
)
def test_a_bad_setting_is_named_with_its_remedy(
    make_site: MakeSite, data: dict[str, Any], path: str, value: object, said: str
) -> None:
    put(data, path, value)
    with pytest.raises(SiteError) as error:
        make_site(data)
    assert any(line.startswith(said) for line in str(error.value).splitlines()), str(error.value)


def test_who_may_call_whom(phones: Site) -> None:
    kamailio = phones.for_host("lk1").kamailio
    assert kamailio
    assert {s.network: s.numbers.reveal() for s in kamailio.sources} == {
        "198.51.100.0/24": "+15550100,+15550101",
        "203.0.113.7/32": "*",  # office logs in there: LiveKit asks for the password
        "192.0.2.128/25": "-",  # calls out only
    }


def test_only_networks_of_trunks_reach_sip(phones: Site) -> None:
    stack = phones.for_host("lk1")
    ours = [p for p in stack.ports if p.owner in ("sip", "kamailio")]
    assert {p.reach for p in ours if "rtp" in p.name or p.name.startswith("sip")} == {Reach.TRUNK}
    assert Reach.PUBLIC not in {p.reach for p in ours}
    assert stack.firewall.peers["trunks"] == ("198.51.100.0/24", "203.0.113.7/32", "192.0.2.128/25")
    assert stack.firewall.peers["trunk-media"] == ("0.0.0.0/0", "203.0.113.7/32", "192.0.2.128/25")


def test_a_secret_that_nobody_stored_is_named(make_site: MakeSite, data: dict[str, Any]) -> None:
    site = make_site(data)
    assert site.vault
    assert phone_facts.secrets(site.sip, site.vault) == ({}, ("sip-office",))
    assert site.for_host("lk1").sip.missing == ("sip-office",)  # type: ignore[union-attr]


def test_numbers_may_be_secrets(make_site: MakeSite, data: dict[str, Any]) -> None:
    data["sip"]["trunks"]["carrier"] |= {"numbers": [], "secret_numbers": True}
    site = make_site(data)
    assert site.vault
    site.vault.set_password("sip-carrier-numbers", "+4930111, +4930222")
    kamailio = site.for_host("lk1").kamailio
    assert kamailio
    assert kamailio.sources[0].numbers.reveal() == "+4930111,+4930222"
    assert "+4930111" not in repr(site.for_host("lk1"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sip-carrier-numbers", "*", "word 1 of 1 is not a number (as +4930123456; '*' and lists are none)"),
        (
            "sip-carrier-numbers",
            "+4930111 +49/30",
            "word 2 of 2 is not a number (as +4930123456; '*' and lists are none)",
        ),
        ("sip-carrier-numbers", " , ", "holds no number, so that any could be called"),
        ("sip-carrier-numbers", "+4930111 +15550102", "word 2 of 2 is also a number of office"),
        ("sip-rule-hotline", "12*4", "is not a PIN: callers type digits"),
    ],
)
def test_numbers_and_pins_among_the_secrets_keep_the_inventory_s_rules(
    make_site: MakeSite, data: dict[str, Any], *, name: str, value: str, said: str
) -> None:
    data["sip"]["trunks"]["carrier"] |= {"numbers": [], "secret_numbers": True}
    data["sip"]["trunks"]["office"]["numbers"] = ["+15550102"]
    data["sip"]["rules"]["hotline"]["pin"] = True
    site = make_site(data)
    assert site.vault
    for each, sound in {"sip-carrier-numbers": "+4930111,+4930222", "sip-rule-hotline": "1234"}.items():
        site.vault.set_password(each, sound)
    stack = site.for_host("lk1")
    assert stack.sip
    assert stack.sip.wrong == ()
    site.vault.set_password(name, value)
    stack = site.for_host("lk1")
    assert stack.sip
    assert stack.kamailio
    (problem,) = stack.sip.wrong
    remedy = f"correct it: python -m procedures.secrets INVENTORY set {name}"
    assert str(problem) == f"secrets.passwords.{name}: {said}; {remedy}"
    assert "*" not in {
        source.numbers.reveal() for source in stack.kamailio.sources if source.network != "203.0.113.7/32"
    }
    assert "+49" not in problem.fact.partition("(")[0], "no value is told"


def test_a_trunk_whose_secret_numbers_are_not_there_takes_no_number(make_site: MakeSite, data: dict[str, Any]) -> None:
    data["sip"]["trunks"]["office"]["secret_numbers"] = True
    kamailio = make_site(data).for_host("lk1").kamailio
    assert kamailio
    assert "*" not in "".join(source.numbers.reveal() for source in kamailio.sources)
