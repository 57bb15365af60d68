"""The edge beside others: what of edge.backends, edge.address and edge.proxies is refused, and what follows from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Port
from livekit_metal.roles.edge.backends import Slot
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.roles.firewall.rules import rules
from livekit_metal.site.model import Site
from tests.support.values.sites import streaming

Make = Callable[[dict[str, Any]], Site]
PAD = {"server": "127.0.0.1:9001"}
PROXIED = {"domain": "call.example.org", "proxies": ["127.0.0.1/32"]}


def refused(make_site: Make, data: dict[str, Any], said: str) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(data)
    assert said in str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ({}, "edge.backends.pad: has neither names nor paths; say by which requests are its own"),
        (
            {"paths": ["/rtc/x"]},
            "edge.backends.pad.paths[0]: /rtc is LiveKit's own; choose another, or give it a name of its own",
        ),
        (
            {"paths": ["/whip"]},
            "edge.backends.pad.paths[0]: /whip is LiveKit's own; choose another, or give it a name of its own",
        ),
        ({"paths": ["pad/"]}, "edge.backends.pad.paths[0]: is 'pad/'; write it like '/sfu/get'"),
        ({"paths": ["/"]}, "edge.backends.pad.paths[0]: is '/'; write it like '/sfu/get'"),
        (
            {"names": ["call.example.org"]},
            "edge.backends.pad.names[0]: call.example.org is LiveKit's own name; drop it: without names, paths count "
            "at the site's own",
        ),
        (
            {"paths": ["/livekit"]},
            "edge.backends.pad.paths[0]: /livekit meets /livekit/sfu, below which clients find LiveKit "
            "(edge.path_prefix); choose another, or give it a name of its own",
        ),
        (
            {"paths": ["/pad", "/pad/x"]},
            "edge.backends.pad: /pad/x is also its own (/pad); give each request one service",
        ),
        (
            {"server": "localhost:80", "paths": ["/pad"]},
            "edge.backends.pad.server: is 'localhost:80', and HAProxy would look the name up once, when it starts; "
            "write the address, such as 127.0.0.1:8080",
        ),
        ({"paths": ["/pad"], "check": "x"}, "edge.backends.pad.check: is 'x'; write it like '/healthz'"),
        (
            {"names": ["pad.example.org"], "strip": True},
            "edge.backends.pad.strip: is set and there are no paths; drop it, or name the paths",
        ),
        (
            {"paths": ["/pad"], "tls": True},
            "edge.backends.pad.tls_name: is missing; give the name that its certificate is for",
        ),
        (
            {"paths": ["/pad"], "ca_file": "ca.pem"},
            "edge.backends.pad.ca_file: is set and tls is not; set tls, or drop it",
        ),
    ],
)
def test_a_service_that_cannot_be_there_is_refused(
    make_site: Make, site_data: dict[str, Any], backend: dict[str, Any], said: str
) -> None:
    site_data["edge"] = {
        "domain": "call.example.org",
        "path_prefix": "/livekit/sfu",
        "backends": {"pad": PAD | backend},
    }
    refused(make_site, site_data, said)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"paths": ["/a"]}, {"paths": ["/a"]}, "/a is also that of one (/a)"),
        ({"paths": ["/a/b"]}, {"paths": ["/a"]}, "/a is also that of one (/a/b)"),
        ({"names": ["x.org"]}, {"names": ["X.org"]}, "x.org is also that of one (x.org)"),
        ({"names": ["x.org"], "paths": ["/a"]}, {"names": ["x.org"]}, "x.org is also that of one (x.org/a)"),
    ],
)
def test_a_request_with_two_owners_is_refused(
    make_site: Make, site_data: dict[str, Any], one: dict[str, Any], other: dict[str, Any], said: str
) -> None:
    site_data["edge"] = {"backends": {"one": PAD | one, "other": PAD | other}}
    refused(make_site, site_data, f"edge.backends.other: {said}; give each request one service")


def test_neighbours_are_no_overlap(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["edge"] = {
        "backends": {
            "one": PAD | {"paths": ["/a"]},
            "two": PAD | {"paths": ["/ab", "/b/a"]},
            "three": PAD | {"names": ["x.org"], "paths": ["/a"]},
            "four": PAD | {"names": ["x.org", "y.org"], "paths": ["/b", "/rtc"]},
        }
    }
    make_site(site_data)


def test_a_name_of_turn_is_no_services(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["edge"] = {"tls": "internal", "backends": {"pad": PAD | {"names": ["lk1.turn.example.org"]}}}
    site_data["livekit"] = {"turn": {"domain": "{host}.turn.example.org"}}
    refused(
        make_site,
        site_data,
        "livekit.turn.domain: 'lk1.turn.example.org' is also a name of edge.backends.pad; give TURN one of its own: "
        "names tell them apart",
    )


def test_names_of_services_are_in_every_certificate(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["edge"] = {
        "tls": "internal",
        "domain": "call.example.org",
        "backends": {"pad": PAD | {"names": ["Pad.example.org"]}},
    }
    site = make_site(site_data)
    assert all(certificate.covers("pad.example.org") for certificate in site.served.values())
    site_data["edge"]["tls"] = "acme"
    acme = make_site(site_data | {"acme": {"email": "ops@example.org"}}).for_host("lk2").acme
    assert acme.names_here == ("call.example.org", "pad.example.org")


def test_a_ca_file_that_is_none_is_refused(make_site: Make, site_data: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    backend = PAD | {"paths": ["/pad"], "tls": True, "tls_name": "pad.lan", "ca_file": "ca.pem"}
    site_data["edge"] = {"backends": {"pad": backend}}
    where = f"{tmp_path}/ca.pem has no certificate in PEM"
    refused(make_site, site_data, f"edge.backends.pad.ca_file: {where}; name the one of its CA")


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
