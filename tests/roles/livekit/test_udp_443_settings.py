"""TURN on UDP 443: what clients are told, with which login, what is refused."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Port, Proto, Reach
from livekit_metal.roles.livekit.generation import slot_files
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.tasks import Livekit
from livekit_metal.roles.livekit.turn import base62
from livekit_metal.site.model import Site
from tests.support.values.sites import SINGLE

MakeSite = Callable[[dict[str, Any]], Site]
ON = {"turn": {"udp_443": True}}


def livekit(make_site: MakeSite, **changes: Any) -> Settings:
    return make_site(copy.deepcopy(SINGLE) | changes).for_host("lk1").the(Settings)


def refused(make_site: MakeSite, **settings: Any) -> str:
    with pytest.raises(SiteError) as caught:
        make_site(copy.deepcopy(SINGLE) | {"livekit": settings})
    return str(caught.value)


# by github.com/jxskiss/base62 1.1.0, which upstream reads names with
@pytest.mark.parametrize(
    ("data", "written"),
    [
        (b"", ""),
        (b"\xff" * 4, "ffffffD"),
        (b"\x00\x00", "AAA"),
        (b"API123|PA_x|1700000000", "wADMwADMwAzNxwHeeVQQx3MyETSQFE"),
    ],
)
def test_names_are_written_as_upstream_reads_them(data: bytes, written: str) -> None:
    assert base62(data) == written


def test_clients_are_told_of_443_at_each_address_with_a_login_that_the_key_proves(make_site: MakeSite) -> None:
    hosts = copy.deepcopy(SINGLE["hosts"])
    hosts["lk1"]["ipv6"] = "2001:db8::11"
    own = livekit(make_site, hosts=hosts, livekit=ON)
    servers = own.config("b")["rtc"]["turn_servers"]
    address = own.node_ip.partition(",")[0]
    assert [(s["host"], s["port"], s["protocol"]) for s in servers] == [
        (address, 443, "udp"),
        ("[2001:db8::11]", 443, "udp"),
    ]
    (key, secret), *_ = own.api_keys.items()
    name = base62(f"{key}|everybody|4102444800".encode())
    password = base62(hashlib.sha256(f"{secret.reveal()}|everybody|4102444800".encode()).digest())
    assert {(s["username"], s["credential"]) for s in servers} == {(name, password)}
    assert own.config("a")["turn"]["udp_port"] == own.part("turn-udp", "a").first, "what TURN binds is as it was"


def test_without_it_nothing_is_other_than_before(make_site: MakeSite) -> None:
    own = livekit(make_site)
    assert "turn_servers" not in own.config("a")["rtc"]
    assert not [p for p in own.ports() if p.fixed]
    assert Livekit(own).redirect.files == ()
    assert Livekit(own).switchover().flip == "flip"


def test_it_is_in_the_registry_at_the_addresses_of_media(make_site: MakeSite) -> None:
    own = livekit(make_site, livekit=ON)
    (port,) = [p for p in own.ports() if p.range.first == 443]
    assert port == Port(
        "livekit",
        "turn",
        Proto.UDP,
        port.range,
        Reach.PUBLIC,
        port.purpose,
        "livekit.turn.udp_443",
        addresses=(own.media_address,),
        fixed=True,
    )


def test_the_login_is_shown_in_no_diff(make_site: MakeSite) -> None:
    for settings, secret in (({}, False), (ON, True)):
        daemon = Livekit(livekit(make_site, livekit=settings))
        view = daemon.view(daemon.settings, "g", "/etc/x/g", "a", "/opt/x")
        configs = [file for file in slot_files(view) if file.path.endswith(".yaml")]
        assert {file.secret for file in configs} == {secret}
        assert {file.mode for file in configs} == {"640"}
        assert ("everybody's login" in configs[0].text) is secret
        json.loads(configs[0].text[configs[0].text.index("{\n") :])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"turn_udp": "443-445"},
            "livekit.turn_udp: 443-445 begins below 1024, where livekit-server, which is not root, may bind nothing; "
            "choose ports from 1024 on; livekit.turn.udp_443 has UDP 443 lead to the active slot, whatever port that "
            "has",
        ),
        (
            {"media_udp": "80-382"},
            "livekit.media_udp: 80-382 begins below 1024, where livekit-server, which is not root, may bind nothing; "
            "choose ports from 1024 on",
        ),
        (
            {"ice_tcp": "1000-1002"},
            "livekit.ice_tcp: 1000-1002 begins below 1024, where livekit-server, which is not root, may bind nothing; "
            "choose ports from 1024 on",
        ),
        (
            {"turn": {"udp_443": True, "enabled": False}},
            "livekit.turn.udp_443: is set and enabled is False; drop it, or leave TURN on",
        ),
        (
            {**ON, "extra": {"rtc": {"turn_servers": [{"host": "t", "port": 3478, "protocol": "udp"}]}}},
            "livekit.extra.rtc.turn_servers: has no place beside livekit.turn.udp_443, which sets it; leave one of "
            "them out",
        ),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_read(make_site: MakeSite, settings: dict[str, Any], said: str) -> None:
    assert refused(make_site, **settings) == said


def test_a_firewall_opening_of_the_same_port_is_refused(make_site: MakeSite) -> None:
    data = copy.deepcopy(SINGLE) | {"livekit": ON, "firewall": {"open": [{"port": 443, "proto": "udp"}]}}
    with pytest.raises(SiteError, match="leave it out, or"):
        make_site(data)
