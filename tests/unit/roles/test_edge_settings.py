"""The edge's settings: what is refused, and what follows from a host's limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.edge.backends import Slot, Streams
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.site.model import Site

SLOTS = (Slot(name="a", signal=7890, metrics=6789),)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("http", "7880-7881", "edge.http: is a range (7880-7881); give one port"),
        ("tls", "on", "edge.tls: is 'on'; choose one of off, provided, internal, acme"),
        (
            "proxies",
            ["10.0.0.300/24"],
            "edge.proxies[0]: '10.0.0.300/24' is not a network; write one such as 192.0.2.0/24, without host bits",
        ),
        ("max_connections", 10, "edge.max_connections: is 10; allow at least 100"),
        ("max_per_address", -1, "edge.max_per_address: is -1; give a number, or 0 for no limit"),
        ("max_rate_per_address", -1, "edge.max_rate_per_address: is -1; give a number, or 0 for no limit"),
        (
            "request_within",
            "5m",
            "edge.request_within: is 5m; give clients 1s to 60s: whoever is slow holds a place",
        ),
        ("path_prefix", "livekit/", "edge.path_prefix: is 'livekit/'; write it like '/livekit'"),
        ("path_prefix", "/a/../b", "edge.path_prefix: is '/a/../b'; write it like '/livekit'"),
        ("path_prefix", "/rtc", "edge.path_prefix: /rtc is LiveKit's own; choose another, such as '/livekit'"),
        ("path_prefix", "/w/x", "edge.path_prefix: /w is LiveKit's own; choose another, such as '/livekit'"),
        ("hard_stop_after", 5, "edge.hard_stop_after: is 5s; give WebSockets at least a minute"),
    ],
)
def test_what_cannot_work_is_refused(
    make_site: Callable[[dict[str, Any]], Site], site_data: dict[str, Any], name: str, value: object, said: str
) -> None:
    site_data["edge"] = {name: value}
    with pytest.raises(SiteError) as caught:
        make_site(site_data)
    assert said in str(caught.value).splitlines()


def test_some_connections_are_kept_back_for_those_who_look() -> None:
    assert Settings(connections=9500).client_connections == 9400
    assert Settings(connections=100).client_connections == 90


def test_over_tls_a_connection_comes_by_twice() -> None:
    plain, secure = Settings(slots=SLOTS), Settings(slots=SLOTS, tls="internal")
    assert (plain.connections_within(21000), secure.connections_within(21000)) == (10000, 5000)
    full = Settings(slots=SLOTS, tls="internal", connections=5000)
    assert full.process_connections >= 2 * full.client_connections + full.redirect_connections
    assert Settings(connections=5000).process_connections == 5000


def test_streams_have_connections_of_their_own() -> None:
    streams = Streams(slots=(), unit="", peers={})
    for tls in ("off", "internal"):
        edge = Settings(slots=SLOTS, tls=tls, streams=streams)
        for files in (5000, 81000, 1048576):
            full = dataclasses.replace(edge, connections=edge.connections_within(files))
            assert full.process_connections >= full.client_connections * (2 if tls != "off" else 1) + (
                full.stream_connections
            )
            assert 2 * full.process_connections <= files, "each has two ends"


def test_an_address_has_less_the_fuller_it_gets() -> None:
    edge = Settings(connections=20000)
    assert edge.crowded == ((14925, 100), (17910, 10))
    assert dataclasses.replace(edge, max_per_address=5).crowded == ((14925, 1), (17910, 1)), "never nothing"


def test_with_tls_plain_http_is_for_the_host_itself() -> None:
    reach = {p.name: str(p.reach) for p in Settings(slots=SLOTS, tls="internal").ports()}
    assert reach == {"https": "PUBLIC", "redirect": "PUBLIC", "http": "LOCAL", "peer": "CLUSTER"}
    assert {p.name: str(p.reach) for p in Settings(slots=SLOTS).ports()} == {"http": "PUBLIC", "peer": "CLUSTER"}


def test_every_host_with_a_slot_has_an_edge_that_knows_the_others(cluster: Site, single: Site) -> None:
    edge = cluster.for_host("lk2").edge
    assert edge is not None
    assert edge.peer_endpoints == {"lk1": "10.0.0.11:7870", "lk3": "10.0.0.13:7870"}
    alone = single.for_host("lk1").edge
    assert alone is not None
    assert alone.peer_endpoints == {}
