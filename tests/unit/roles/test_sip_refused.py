"""Trunks and rules that could not work: refused when the inventory is read, with a remedy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.site.model import Site
from tests.support.values.sites import PHONES, SINGLE

MakeSite = Callable[[dict[str, Any]], Site]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "sip/trunks/carrier/numbers",
            ["*"],
            "sip.trunks.carrier.numbers: would take any call to any number, from networks that are not private; name",
        ),
        (
            "sip/trunks/carrier/any_number",
            True,
            "sip.trunks.carrier.any_number: is set and numbers are given; drop one of them",
        ),
        (
            "sip/trunks/carrier/numbers",
            ["+15550100", "+1555010", "+4930123400-+4930123399"],
            "sip.trunks.carrier.numbers[2]: '+4930123400-+4930123399' is not a range; write the first number, and the",
        ),
        (
            "sip/trunks/carrier/numbers",
            [f"+1555{n:06}" for n in range(0, 200, 2)],
            "sip.trunks.carrier.numbers: are more than Kamailio can hold for a network; write ranges and prefixes",
        ),
        (
            "sip/trunks/office/numbers",
            ["15550100"],  # LiveKit takes it for the same number
            "sip.trunks.office.numbers: 15550100 is also one of carrier; give each number to one trunk",
        ),
        (
            "sip/trunks/office/numbers",
            ["+1555*"],
            "sip.trunks.office.numbers: +1555* is also one of carrier; give each number to one trunk",
        ),
        (
            "sip/trunks/pbx",
            {"networks": ["10.0.0.9/32"]},
            "sip.trunks.pbx: takes numbers that cannot be listed, and office does already: LiveKit has one such trunk",
        ),
        (
            "sip/trunks/out/outbound/address",
            "203.0.113.200:5070",
            "sip.trunks.out.outbound.address: 203.0.113.200 is in none of the trunk's networks; add it to networks",
        ),
        (
            "sip/trunks/out/outbound",
            {"address": "sip.example.org"},
            "sip.trunks.out.outbound.numbers: is empty, and LiveKit refuses such a trunk; write the numbers that its",
        ),
        (
            "sip/trunks/carrier",
            {
                "networks": ["198.51.100.0/24"],
                "numbers": ["+4930123400-99"],
                "outbound": {"address": "sip.example.org"},
            },
            "sip.trunks.carrier.outbound.numbers: is empty, and LiveKit refuses such a trunk; write the numbers that",
        ),
        (
            "sip/trunks/out/hosts",
            ["lk9"],
            "sip.trunks.out.hosts[0]: 'lk9' is not a host with the role sip; hosts with it: lk1",
        ),
        (
            "sip/trunks/out/outbound",
            {"address": "sip.example.org", "transport": "tls", "via": "kamailio", "numbers": ["+15550109"]},
            "sip.trunks.out.outbound.via: is kamailio, which speaks no TLS without a certificate; set kamailio.cert",
        ),
        (
            "sip/trunks/carrier/headers",
            {"Contact": "<sip:me@example.org>"},
            "sip.trunks.carrier.headers: 'Contact' is not a name of a header of yours; write one such as X-Queue",
        ),
        (
            "sip/trunks/carrier/media_timeout",
            "11m",
            "sip.trunks.carrier.media_timeout: is 11m; choose 1s to 10m: LiveKit takes no more",
        ),
        ("sip/media_timeout", 0, "sip.media_timeout: is 0s; choose 1s to 10m: LiveKit takes no more"),
        (
            "sip/rules/hotline/numbers",
            ["+15550999"],
            "sip.rules.hotline.numbers[0]: +15550999 is a number of none of its trunks, so it never rings; write it",
        ),
        (
            "sip/rules/hotline/numbers",
            ["+1555*"],
            "sip.rules.hotline.numbers[0]: '+1555*': LiveKit's rules know no prefixes; write numbers and ranges",
        ),
        (
            "sip/rules/again",
            {"trunks": ["carrier"], "numbers": ["15550100"], "room_prefix": "x"},
            "sip.rules.again: takes calls to +15550100 of carrier as hotline does; give it other numbers, callers or",
        ),
        (
            "sip/rules/again",
            {"trunks": ["office"], "room": "x"},
            "sip.rules.again: takes the same calls of office as rest does; give it other numbers, callers or trunks",
        ),
        (
            "sip/rules/hotline/agents",
            [{"name": ""}],
            "sip.rules.hotline.agents[0].name: is empty; write the agent_name that its workers register with",
        ),
    ],
)
def test_it_is_named_with_its_remedy(make_site: MakeSite, path: str, value: object, said: str) -> None:
    data = copy.deepcopy(SINGLE | PHONES)
    data["hosts"]["lk1"]["roles"].append("sip")
    *above, last = path.split("/")
    place = data
    for key in above:
        place = place.setdefault(key, {})
    place[last] = value
    with pytest.raises(SiteError) as error:
        make_site(data)
    assert any(line.startswith(said) for line in str(error.value).splitlines()), str(error.value)
