"""Relays lead to media and nowhere else: which ports the chain knows, also from before a change; what TURN denies."""

from __future__ import annotations

import dataclasses
import ipaddress

import pytest

from livekit_metal.core.ports import Port, PortRange, Proto, Reach, without
from livekit_metal.roles.firewall.relays import Former, relayed, still
from livekit_metal.roles.firewall.settings import Relays, Settings
from livekit_metal.roles.livekit.turn import everything_but
from livekit_metal.site.model import Site


def port(owner: str, name: str, ports: str, proto: Proto = Proto.UDP) -> Port:
    return Port(owner, name, proto, PortRange.parse(ports), Reach.PUBLIC, "purpose", "option")


def settings(*ports: Port) -> Settings:
    relays = Relays(sources="livekit/turn-relay", targets="livekit/media", nodes=("192.0.2.1",), lasts=100)
    return Settings(ports=ports, relays=relays)


OURS = settings(
    port("livekit", "turn-relay-a", "30000-30049"),
    port("livekit", "turn-relay-b", "30050-30099"),
    port("livekit", "media-a", "50000-50099"),
    port("livekit", "turn-udp-a", "3478"),
    port("sip", "rtp-a", "10000-10099"),
)
BEFORE = [
    ("livekit/turn-relay-a", Proto.UDP, PortRange(21000, 21099)),
    ("livekit/turn-relay-b", Proto.UDP, PortRange(21100, 21199)),
    ("livekit/media-a", Proto.UDP, PortRange(41000, 41099)),
    ("livekit/media-a", Proto.TCP, PortRange(1, 2)),
    ("livekit/turn-udp-a", Proto.UDP, PortRange(13478, 13478)),
    ("sip/rtp-a", Proto.UDP, PortRange(20000, 20099)),
]
FORMER = (
    Former(PortRange(21000, 21199), "livekit/turn-relay"),
    Former(PortRange(41000, 41099), "livekit/media"),
)


def test_the_chain_knows_the_relays_of_every_slot_and_where_media_is() -> None:
    made = relayed(OURS)
    assert made.sources == ("30000-30099",)
    assert made.targets == ("50000-50099",)


def test_a_host_without_livekit_server_has_no_chain() -> None:
    assert relayed(settings(port("sip", "rtp-a", "10000-10099"))).sources == ()


def test_what_a_client_may_reserve_behind_an_even_port_is_a_relay_too() -> None:
    """EVEN-PORT with the bit R (RFC 8656): pion/turn takes the next port, in the range or not."""
    even = port("livekit", "turn-relay-a", "30000-30010")
    assert relayed(settings(even)).sources == ("30000-30011",)
    assert relayed(settings(even, port("livekit", "one", "30011"))).sources == ("30000-30010",), "no relay gets that"
    assert relayed(settings(even, port("other", "one", "30011"))).sources == ("30000-30011",), "another user's packets"


def test_while_ports_move_relays_have_both_and_lead_to_both() -> None:
    assert still(OURS, BEFORE, [], age=0) == FORMER
    made = relayed(OURS, FORMER)
    assert made.sources == ("21000-21199", "30000-30099")
    assert made.targets == ("41000-41099", "50000-50099")


@pytest.mark.parametrize(
    ("bound", "age", "stays"),
    [
        ([], 99, True),  # a slot of another host may be there
        ([], 100, False),
        ([("udp", 41050)], 10**6, True),
        ([("udp", 21199)], 10**6, True),
        ([("tcp", 41050)], 10**6, False),
        ([("udp", 50000)], 10**6, False),
    ],
)
def test_it_stays_so_for_as_long_as_a_slot_may_go_on(bound: list[tuple[str, int]], age: int, stays: bool) -> None:
    assert still(OURS, BEFORE, bound, age) == (FORMER if stays else ())


def test_it_is_known_again_at_the_next_deploy() -> None:
    now = [(f"{p.owner}/{p.name}", p.proto, p.range) for p in OURS.ports]
    again = [(each.name, Proto.UDP, each.range) for each in FORMER]
    assert still(OURS, [*now, *again], [], age=5) == FORMER
    assert still(OURS, now, [], age=5) == ()


def test_what_livekit_server_has_otherwise_by_now_is_not_taken_for_a_relays() -> None:
    """What others have been given stays known: a slot that drains may still have relays there."""
    more = (port("livekit", "turn-udp-x", "21050"), port("sip", "rtp-x", "21100-21149"))
    found = still(dataclasses.replace(OURS, ports=(*OURS.ports, *more)), BEFORE, [], age=0)
    assert [str(each.range) for each in found] == ["21000-21049", "21051-21199", "41000-41099"]


def test_ports_without_ports() -> None:
    ranges = [PortRange(1, 10), PortRange(20, 30), PortRange(11, 12)]
    assert [str(r) for r in without(ranges, [PortRange(3, 4), PortRange(30, 40)])] == ["1-2", "5-12", "20-29"]


NODES = {
    "one": ("192.0.2.11",),
    "neighbours": ("192.0.2.11", "192.0.2.12", "192.0.2.14"),
    "ends": ("0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    "both": ("10.0.0.1", "203.0.113.7", "2001:db8::1", "2001:db8::2", "fd00::5"),
    "six": ("2001:db8::1",),
    "none": (),
}


@pytest.mark.parametrize("nodes", NODES.values(), ids=NODES)
def test_turn_denies_everything_but_the_nodes(nodes: tuple[str, ...]) -> None:
    """Every address once: the networks are disjoint, no two make one, and beside the nodes nothing is missing."""
    denied = [ipaddress.ip_network(each) for each in everything_but(nodes)]
    kept = {ipaddress.ip_address(each) for each in nodes}
    for version, bits in ((4, 32), (6, 128)):
        of = [each for each in denied if each.version == version]
        assert sum(each.num_addresses for each in of) == 2**bits - sum(each.version == version for each in kept)
        assert len(list(ipaddress.collapse_addresses(of))) == len(of)  # type: ignore[type-var]
        assert not [each for each in of for node in kept if node.version == version and node in each]


def test_a_site_denies_all_but_what_clients_are_told(any_site: Site) -> None:
    for name in any_site.with_role("livekit"):
        livekit = any_site.for_host(name).livekit
        assert livekit is not None
        told = {a for n in any_site.with_role("livekit") for a in any_site.hosts[n].node_ip.split(",")}
        for slot in livekit.slots:
            turn = livekit.config(slot)["turn"]
            denied = [ipaddress.ip_network(each) for each in turn["deny_peer_cidrs"]]
            beside = {ipaddress.ip_address(address) + 1 for address in told} - set(map(ipaddress.ip_address, told))
            assert not [a for a in told if any(ipaddress.ip_address(a) in each for each in denied)]
            assert all(any(address in each for each in denied) for address in beside)
            assert turn["relay_range_end"] % 2, "nobody reserves a port behind the last"


def test_a_release_that_knows_no_list_is_told_of_none(any_site: Site) -> None:
    livekit = any_site.for_host(any_site.with_role("livekit")[0]).livekit
    assert livekit is not None
    old = dataclasses.replace(livekit, release="1.11.0")
    assert "deny_peer_cidrs" not in old.config(old.slots[0])["turn"]
