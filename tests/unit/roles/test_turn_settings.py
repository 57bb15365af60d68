"""TURN in a site: which names lead to it, what it may relay to, what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Reach
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.turn import Turn
from livekit_metal.site.model import Site
from tests.support.values.sites import CLUSTER, SINGLE

MakeSite = Callable[[dict[str, Any]], Site]
TLS = {"tls": "internal", "domain": "lk.example.org"}


def refused(make_site: MakeSite, data: dict[str, Any], turn: dict[str, Any], edge: dict[str, Any]) -> list[str]:
    with pytest.raises(SiteError) as caught:
        make_site(copy.deepcopy(data) | {"livekit": {"turn": turn}, "edge": edge})
    return str(caught.value).splitlines()


def test_each_host_has_a_name_of_its_own(make_site: MakeSite) -> None:
    data = copy.deepcopy(CLUSTER) | {"edge": TLS, "livekit": {"turn": {"domain": "{host}.turn.example.org"}}}
    site = make_site(data)
    told = {}
    for host in site.hosts:
        stack = site.for_host(host)
        assert stack.livekit is not None
        assert stack.edge is not None
        told[host] = stack.livekit.config("a")["turn"]["domain"]
        assert stack.edge.turn_name == told[host]
        assert site.served[host].covers(told[host])
        assert not site.served["lk1" if host != "lk1" else "lk2"].covers(told[host])
    assert told == {host: f"{host}.turn.example.org" for host in site.hosts}


def test_a_name_that_several_hosts_share_is_refused_with_the_reason(make_site: MakeSite) -> None:
    assert refused(make_site, CLUSTER, {"domain": "turn.example.org"}, TLS) == [
        "livekit.turn.domain: 'turn.example.org' leads to 3 hosts; write it with {host}, such as "
        "{host}.turn.example.org: a relay on another host than its room is cut when that host drains"
    ]


def test_one_host_may_have_a_plain_name(make_site: MakeSite) -> None:
    make_site(copy.deepcopy(SINGLE) | {"edge": TLS, "livekit": {"turn": {"domain": "turn.example.org"}}})


@pytest.mark.parametrize(
    ("turn", "edge", "said"),
    [
        (
            {"domain": "turn.example.org"},
            {},
            "livekit.turn.domain: is set and edge.tls is 'off'; set edge.tls, name the proxy of yours that speaks TLS "
            "for it in edge.proxies, or leave it empty",
        ),
        (
            {"domain": "LK.example.org"},
            TLS,
            "livekit.turn.domain: 'lk.example.org' is also a name of the site; "
            "give TURN one of its own: names tell them apart",
        ),
        (
            {"domain": "turn.example.org"},
            TLS | {"https": 8443},
            "livekit.turn.domain: clients are told port 443 for it, and edge.https is 8443; "
            "leave edge.https at 443, or the domain empty",
        ),
        ({"domain": "turn"}, TLS, "livekit.turn.domain: 'turn' is not a name; write one such as turn.example.org"),
        ({"ttl": 59}, {}, "livekit.turn.ttl: is 59s; give a client a minute at least to open its relay"),
    ],
)
def test_what_cannot_work_is_refused(
    make_site: MakeSite, turn: dict[str, Any], edge: dict[str, Any], said: str
) -> None:
    assert said in refused(make_site, SINGLE, turn, edge)


def test_relays_lead_to_private_addresses_of_the_sites_own_nodes_only() -> None:
    nodes = ("203.0.113.1", "198.18.0.1", "8.8.8.8", "10.0.0.7", "fd00::7")
    turn = Settings(nodes=nodes).config("a")["turn"]
    assert {"10.0.0.7/32", "fd00::7/128"} <= set(turn["allow_restricted_peer_cidrs"])
    assert "8.8.8.8/32" not in turn["allow_restricted_peer_cidrs"], "what is public needs no leave"
    assert Settings().config("a")["turn"]["allow_restricted_peer_cidrs"] == []


def test_turn_is_open_to_all_its_relays_to_the_nodes_and_its_plain_side_to_nobody() -> None:
    reach = {p.name: p.reach for p in Settings().ports() if p.name.startswith("turn-") and p.name.endswith("-b")}
    assert reach == {"turn-udp-b": Reach.PUBLIC, "turn-tls-b": Reach.LOCAL, "turn-relay-b": Reach.CLUSTER}
    (relay,) = [p for p in Settings().ports() if p.name == "turn-relay-b"]
    assert (str(relay.range), relay.clients) == ("33334-36666", ("media",))


def test_another_life_of_credentials_is_another_generation() -> None:
    longer = Turn(ttl=Duration.parse("10m"))
    assert Settings(turn=longer).config("a")["turn"]["ttl_seconds"] == 600
    assert Settings().config("a") != Settings(turn=longer).config("a")
