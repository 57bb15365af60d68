"""firewall: what an inventory may say, and which ruleset follows from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.roles.firewall.rules import Group, Opened, admits, kept, rules
from livekit_metal.roles.firewall.settings import Settings
from livekit_metal.site.model import Site


def port(first: int, reach: Reach, proto: Proto = Proto.TCP, last: int = 0, clients: tuple[str, ...] = ()) -> Port:
    return Port("role", "name", proto, PortRange(first, last or first), reach, "purpose", "role.name", clients)


SETTINGS = Settings(
    admin=("192.0.2.0/24", "2001:db8::/48"),
    ports=(
        port(22, Reach.ADMIN),
        port(7880, Reach.PUBLIC),
        port(7881, Reach.PUBLIC, last=7883),
        port(6379, Reach.CLUSTER, clients=("livekit", "exporters")),
        port(7870, Reach.CLUSTER),
        port(9090, Reach.LOCAL),
        port(50000, Reach.PUBLIC, Proto.UDP, last=50099),
        port(30000, Reach.CLUSTER, Proto.UDP, last=30099),
    ),
    peers={"": ("10.0.0.1", "10.0.0.2", "fd00::1"), "livekit": ("10.0.0.2",), "exporters": ("10.0.0.2", "10.0.0.5")},
    config_root="/etc/x",
)


def test_each_port_gets_the_verdict_of_its_reach() -> None:
    made = rules(SETTINGS)
    assert made.tcp == (
        ("22", "jump from_admin"),
        ("6379", "jump from_livekit_exporters"),
        ("7870", "jump from_cluster"),
        ("7880-7883", "accept"),
    )
    assert made.untracked == ("50000-50099",)
    assert made.udp == (("30000-30099", "jump from_cluster"),)


def test_peers_are_single_addresses_and_named_once() -> None:
    assert rules(SETTINGS).groups == (
        Group("admin", ("192.0.2.0/24",), ("2001:db8::/48",)),
        Group("livekit_exporters", ("10.0.0.2/32", "10.0.0.5/32"), ()),
        Group("cluster", ("10.0.0.1/32", "10.0.0.2/32"), ("fd00::1/128",)),
    )


def test_overlapping_networks_become_one() -> None:
    made = rules(dataclasses.replace(SETTINGS, admin=("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "fd00::/8")))
    assert made.admin == Group("admin", ("10.0.0.0/8",), ("::/0",))


def test_a_role_that_no_host_has_leaves_an_empty_group() -> None:
    nobody = dataclasses.replace(SETTINGS, peers={**SETTINGS.peers, "": ()})
    assert Group("cluster", (), ()) in rules(nobody).groups


@pytest.mark.parametrize(
    ("source", "inside"),
    [("192.0.2.7", True), ("192.0.3.1", False), ("2001:db8::9", True), ("2001:db9::1", False)],
)
def test_whether_an_operator_is_admitted(source: str, inside: bool) -> None:
    assert admits(SETTINGS, source) is inside


def opened(proto: str, first: int, last: int = 0, reach: Reach = Reach.PUBLIC, name: str = "role/name") -> Opened:
    return Opened(reach, Proto(proto), PortRange(first, last or first), name)


def test_ports_of_a_running_slot_stay_open_when_they_leave_the_registry() -> None:
    public = [opened("udp", 40000, 40029), opened("udp", 40030, 40099), opened("tcp", 7990), opened("tcp", 7880)]
    bound = [("udp", 40000), ("udp", 40001), ("udp", 40050), ("tcp", 7990), ("tcp", 7880), ("udp", 50000)]
    bound += [("udp", 40029), ("udp", 40030)]
    assert [(p.proto, str(p.range), p.reach) for p in kept(SETTINGS, public, bound)] == [
        (Proto.TCP, "7990", Reach.PUBLIC),
        (Proto.UDP, "40000-40001", Reach.PUBLIC),
        (Proto.UDP, "40029-40030", Reach.PUBLIC),
        (Proto.UDP, "40050", Reach.PUBLIC),
    ]


@pytest.mark.parametrize("bound", [("tcp", 4444), ("tcp", 40000), ("udp", 7990)])
def test_nothing_is_opened_because_a_process_binds_it(bound: tuple[str, int]) -> None:
    public = [opened("udp", 40000, 40099), opened("tcp", 7990)]
    assert kept(SETTINGS, public, [bound]) == ()


def test_a_port_for_hosts_of_the_site_stays_open_to_those_who_may_use_its_successor() -> None:
    """Redis has moved from 6399 to 6379, and slots on other hosts expect it where it was."""
    redis = Port("redis", "redis", Proto.TCP, PortRange(6379, 6379), Reach.CLUSTER, "Redis", "redis.port", ("livekit",))
    settings = dataclasses.replace(SETTINGS, ports=(redis,))
    before = opened("tcp", 6399, reach=Reach.CLUSTER, name="redis/redis")
    (port,) = kept(settings, [before], [("tcp", 6399), ("tcp", 6379)])
    assert (port.range, port.reach, port.clients) == (PortRange(6399, 6399), Reach.CLUSTER, ("livekit",))
    assert rules(settings, [port]).tcp == (("6379", "jump from_livekit"), ("6399", "jump from_livekit"))
    assert kept(settings, [opened("tcp", 6399, reach=Reach.CLUSTER, name=f"{port.owner}/{port.name}")], []) == ()


def rtp(slot: str, first: int) -> Port:
    where = PortRange(first, first + 99)
    return Port("sip", f"rtp-{slot}", Proto.UDP, where, Reach.TRUNK, "media", "sip.rtp", ("trunk-media",))


def test_ports_of_trunks_are_open_to_their_networks_and_stay_so_for_a_slot_that_drains() -> None:
    """The range has moved and the slots have other names; a call is still on 10002."""
    peers = {**SETTINGS.peers, "trunk-media": ("198.51.100.0/24",)}
    settings = dataclasses.replace(SETTINGS, ports=(rtp("x", 20000), rtp("y", 20100)), peers=peers)
    assert rules(settings).udp == (("20000-20199", "jump from_trunk_media"),)
    assert Group("trunk_media", ("198.51.100.0/24",), ()) in rules(settings).groups
    assert rules(settings).untracked == (), "who is let in is a matter of the connection"
    before = opened("udp", 10000, 10099, Reach.TRUNK, "sip/rtp-a")
    (port,) = kept(settings, [before], [("udp", 10002), ("udp", 20000)])
    assert (port.range, port.reach, port.clients) == (PortRange(10002, 10002), Reach.TRUNK, ("trunk-media",))
    other = opened("udp", 10000, 10099, Reach.TRUNK, "sip/sip-a")
    assert kept(settings, [other], [("udp", 10002)]) == (), "nothing like it is open to anybody now"


@pytest.mark.parametrize("name", ["redis/redis", "role/name"])
def test_a_port_for_hosts_of_the_site_is_closed_when_none_of_them_has_business_there(name: str) -> None:
    """Without a successor, or with one for this host alone: a cluster became one host."""
    redis = port(6379, Reach.LOCAL)
    settings = dataclasses.replace(SETTINGS, ports=(dataclasses.replace(redis, owner="redis", name="redis"),))
    assert kept(settings, [opened("tcp", 6399, reach=Reach.CLUSTER, name=name)], [("tcp", 6399)]) == ()


@pytest.mark.parametrize("reach", [Reach.LOCAL, Reach.CLUSTER])
def test_the_registry_closes_what_it_still_names(reach: Reach) -> None:
    """A port that was open to all and now is not, is closed although a slot binds it."""
    settings = dataclasses.replace(SETTINGS, ports=(*SETTINGS.ports, port(7990, reach)))
    assert kept(settings, [opened("tcp", 7990)], [("tcp", 7990)]) == ()


@pytest.mark.parametrize(
    ("firewall", "said"),
    [
        ({"admin": []}, "firewall.admin: is empty; name the networks you administer from, or nobody gets in"),
        (
            {"admin": ["192.0.2.1/24"]},
            "firewall.admin[0]: '192.0.2.1/24' is not a network; write one such as 192.0.2.0/24, without host bits",
        ),
        (
            {"open": [{"port": "9000", "proto": "sctp"}]},
            "firewall.open[0].proto: is 'sctp'; choose one of tcp, udp, gre, esp, ah, ipip, ipv6, l2tp",
        ),
        (
            {"open": [{"port": 80, "proto": "gre"}]},
            "firewall.open[0].port: is 80, and gre has no ports; leave it out",
        ),
        (
            {"open": [{"port": "8000-8100"}, {"port": 8050, "networks": ["10.0.0.0/8"]}]},
            "firewall.open[1]: 8050/tcp overlaps firewall.open[0] (8000-8100/tcp), and firewall.open[0] lets everybody "
            "in; keep one of them, or name networks in both",
        ),
        (
            {"open": [{"port": 8443}], "closed": ["8000-9000/tcp"]},
            "firewall.closed[0]: 8000-9000/tcp and firewall.open[0] (8443/tcp) say the opposite of the same port; take "
            "it out of one of them",
        ),
        ({"mode": "off"}, "firewall.mode: is 'off'; choose one of site, none"),
        ({"open": [{"purpose": "x"}]}, "firewall.open[0].port: is missing; set it: port, or range of ports"),
        (
            {"open": [{"port": 9000, "networks": ["10.0.0.1/8"]}]},
            "firewall.open[0].networks[0]: '10.0.0.1/8' is not a network; write one such as 192.0.2.0/24, "
            "without host bits",
        ),
        (
            {"open": [{"port": 9000, "interface": 'eth0" accept; #'}]},
            "firewall.open[0].interface: 'eth0\" accept; #' is not the name of an interface; write a name such as eth1",
        ),
        (
            {"open": [{"port": 9000, "purpose": "mine\n} accept"}]},
            "firewall.open[0].purpose: has the character U+000A in it; write one line of plain text",
        ),
        (
            {"open": [{"port": "6300-6400", "purpose": "x"}]},
            "firewall.open[0]: 6300-6400/tcp has redis/redis (tcp 6379) of lk1 in it, and who reaches that is settled "
            "(CLUSTER); leave it out, or move redis.port",
        ),
        (
            {"closed": ["111"]},
            "firewall.closed[0]: '111' is neither a port nor a program; write a port such as '111/tcp', or the name of "
            "a program",
        ),
        (
            {"closed": ["70000/tcp"]},
            "firewall.closed[0]: 70000 is outside 1-65535; write a port such as '111/tcp', or the name of a program",
        ),
        (
            {"trusted": ["wg0; drop"]},
            "firewall.trusted[0]: 'wg0; drop' is not the name of an interface; write a name such as wg0, or br-* for "
            "all that begin so",
        ),
        ({"confirm": 5}, "firewall.confirm: is 5 s; give a new connection at least 10 s"),
    ],
)
def test_settings_are_checked(
    make_site: Callable[[dict[str, Any]], Site], site_data: dict[str, Any], firewall: dict[str, Any], said: str
) -> None:
    with pytest.raises(SiteError) as caught:
        make_site({**site_data, "firewall": firewall})
    assert str(caught.value) == said


def test_the_same_port_for_two_networks_and_another_protocol_is_no_overlap(
    make_site: Callable[[dict[str, Any]], Site], site_data: dict[str, Any]
) -> None:
    entries = [
        {"port": 9000, "networks": ["10.0.0.0/8"], "purpose": "one"},
        {"port": 9000, "interface": "wg0", "purpose": "two"},
        {"port": 9000, "proto": "udp", "purpose": "three"},
        {"proto": "esp", "networks": ["192.0.2.7/32"], "purpose": "IPsec"},
    ]
    made = make_site({**site_data, "firewall": {"open": entries, "closed": ["9001/tcp"]}})
    assert rules(made.for_host("lk1").firewall).openings == (
        ("one", "ip saddr { 10.0.0.0/8 } tcp dport 9000 accept"),
        ("two", 'iifname "wg0" tcp dport 9000 accept'),
        ("three", "udp dport 9000 accept"),
        ("IPsec", "ip saddr { 192.0.2.7/32 } meta l4proto 50 accept"),
    )
