"""The edge beside others: what of edge.address and edge.proxies is refused, and what follows from them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.core.ports import Port
from livekit_metal.roles.edge.backends import Slot
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.roles.firewall.rules import rules
from livekit_metal.site.model import Site
from tests.support.values.sites import streaming
from tests.unit.roles.test_edge_services import Make, refused

PROXIED = {"domain": "call.example.org", "proxies": ["127.0.0.1/32"]}


def port(site: Site, name: str, host: str = "lk1") -> Port:
    return next(p for p in site.ports(host) if (p.owner, p.name) == ("edge", name))


def test_with_a_proxy_on_the_host_7880_is_for_loopback_alone(make_site: Make, site_data: dict[str, Any]) -> None:
    """Row E2 of what people have."""
    site_data["edge"] = PROXIED
    site = make_site(site_data)
    assert (port(site, "http").reach, port(site, "http").addresses) == ("LOCAL", ("127.0.0.1",))
    assert dict(rules(site.for_host("lk1").firewall).tcp)["7881-7883"] == "accept", "ICE over TCP begins behind it"
    open_to_all = rules(make_site(site_data | {"edge": {}}).for_host("lk1").firewall)
    assert dict(open_to_all.tcp)["7880-7883"] == "accept"


def test_with_a_proxy_elsewhere_the_firewall_lets_it_in_and_nobody_else(
    make_site: Make, site_data: dict[str, Any]
) -> None:
    site_data["edge"] = PROXIED | {"proxies": ["10.9.0.0/24", "fd00::/64", "127.0.0.1/32"]}
    site_data["livekit"] = {"turn": {"domain": "{host}.turn.example.org"}}
    found = rules(make_site(site_data).for_host("lk1").firewall)
    assert dict(found.tcp)["7880"] == dict(found.tcp)["7872"] == "jump from_proxies"
    (group,) = (g for g in found.groups if g.name == "proxies")
    assert (group.v4, group.v6) == (("10.9.0.0/24", "127.0.0.1/32"), ("fd00::/64",))


def test_turn_behind_a_proxy_has_one_port_of_its_own(make_site: Make, site_data: dict[str, Any]) -> None:
    """Row E3."""
    site_data["livekit"] = {"turn": {"domain": "{host}.turn.example.org"}}
    refused(
        make_site,
        site_data,
        "livekit.turn.domain: is set and edge.tls is 'off'; set edge.tls, name the proxy of yours that speaks TLS for "
        "it in edge.proxies, or leave it empty",
    )
    site = make_site(site_data | {"edge": PROXIED})
    assert (str(port(site, "turn").range), port(site, "turn").reach) == ("7872", "LOCAL")
    livekit = site.for_host("lk1").livekit
    assert livekit.own_config("a")["turn"]["domain"] == "lk1.turn.example.org"
    assert livekit.own_config("a")["turn"]["external_tls"] is True
    assert not [p for p in make_site(site_data | {"edge": PROXIED, "livekit": {}}).ports("lk1") if p.name == "turn"]


@pytest.mark.parametrize(
    ("edge", "said"),
    [
        (
            {"turn_proxy_protocol": True},
            "edge.turn_proxy_protocol: is set, and no proxy of yours is in front; set edge.tls to off and name your "
            "proxies, or drop it",
        ),
        (
            {"address": ["eth0"]},
            "edge.address[0]: 'eth0' is no address; write one of the host's, or address, ipv6, cluster: what "
            "hosts.NAME says",
        ),
        (
            {"address": ["192.0.2.11"]},
            "edge.address[0]: 192.0.2.11 is of one host, and 3 have clients at their edges; write address, ipv6, "
            "cluster: what hosts.NAME says",
        ),
        ({"address": ["ipv6"]}, "edge.address[0]: is ipv6, and hosts.lk2 has none; give hosts.lk2.ipv6, or drop it"),
    ],
)
def test_what_cannot_work_behind_a_proxy_is_refused(
    make_site: Make, site_data: dict[str, Any], edge: dict[str, Any], said: str
) -> None:
    site_data["edge"] = edge
    refused(make_site, site_data, said)


def test_clients_come_by_the_proxys_name(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["edge"] = PROXIED
    site = make_site(streaming(site_data))
    assert site.vault
    site.vault.persist()
    access = Access.of(site)
    assert access.url == "wss://call.example.org"
    with pytest.raises(CallError, match="no URL leads to lk1 alone"):
        access.through("lk1")
    nameless = make_site(site_data | {"edge": PROXIED | {"domain": ""}})
    with pytest.raises(CallError, match=r"nobody but edge\.proxies may connect, and edge\.domain is missing"):
        Access.of(nameless)
    assert site.for_host("lk1").livekit.ingress["whip_base_url"] == "https://call.example.org/w"


def test_every_door_is_at_the_addresses_of_the_host(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["hosts"]["lk1"]["ipv6"] = "2001:db8::11"
    site_data["hosts"] = {"lk1": site_data["hosts"]["lk1"]}
    site_data["edge"] = {"tls": "internal", "domain": "call.example.org", "address": ["address", "ipv6"]}
    site = make_site(streaming(site_data))
    edge = site.for_host("lk1").edge
    both = ("192.0.2.11", "2001:db8::11")
    assert {name: port(site, name).addresses for name in ("https", "redirect", "rtmp")} == dict.fromkeys(
        ("https", "redirect", "rtmp"), both
    )
    assert edge.binds("https") == ["192.0.2.11:443", "[2001:db8::11]:443"]
    assert edge.answers_at("https") == "192.0.2.11:443"
    assert site.for_host("lk1").preflight.bound == both


def test_connections_to_turn_are_beside_those_of_signalling() -> None:
    slots = (Slot(name="a", signal=7890, metrics=6789),)
    edge = Settings(slots=slots, proxies=("127.0.0.1/32",), turn_name="turn.example.org")
    for files in (5000, 81000, 1048576):
        full = dataclasses.replace(edge, connections=edge.connections_within(files))
        assert full.process_connections >= 2 * full.client_connections
        assert 2 * full.process_connections <= files, "each has two ends"
