"""Where media comes in: what is derived from a host's addresses, shown, and refused."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.roles.preflight.media import LINKS, words
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import SOUND, host, said

BUSY = [
    *SOUND["links"],
    *("docker0 172.17.0.1", "br-0a1b2c3d4e5f 172.18.0.1", "wg0 10.8.0.1", "tailscale0 100.64.0.7"),
    "tailscale0 fd7a:115c:a1e0::7",
]


@pytest.fixture
def settings(site_data: dict[str, Any], make_site: Callable[..., Site]) -> Callable[..., Settings]:
    """Of lk2, with what the inventory says of it."""

    def made(turn: str = "", **of_host: Any) -> Settings:
        site_data["hosts"]["lk2"] |= of_host
        if turn:
            site_data.update(edge={"tls": "internal"}, livekit={"turn": {"domain": turn}})
        return make_site(site_data).for_host("lk2").preflight

    return made


def shown(settings: Settings, *links: str) -> str:
    assert settings.offered is not None
    return words(settings.offered, links or BUSY)


def test_bridges_and_tunnels_take_no_media(settings: Callable[..., Settings]) -> None:
    assert said(settings(), host(links=BUSY)) == []
    assert shown(settings()) == (
        "clients are told 192.0.2.12; comes in at 192.0.2.12 (eth0); not at 10.0.0.12 (eth1), 172.17.0.1 (docker0), "
        "172.18.0.1 (br-0a1b2c3d4e5f), 10.8.0.1 (wg0), 100.64.0.7 (tailscale0), fd7a:115c:a1e0::7 (tailscale0)"
    )


def test_behind_nat_the_public_address_is_told(settings: Callable[..., Settings]) -> None:
    behind = settings(public="203.0.113.12")
    assert shown(behind, "eth0 192.0.2.12") == "clients are told 203.0.113.12; comes in at 192.0.2.12 (eth0)"
    assert behind.hairpin == "203.0.113.12"
    assert said(behind, host(hairpin=["back"])) == []


def test_without_hairpin_relays_hear_nothing(settings: Callable[..., Settings]) -> None:
    fact = "what lk2 sends to its public address 203.0.113.12 does not come back (no hairpin NAT)"
    ((text, stops),) = said(settings(public="203.0.113.12"), host(hairpin=["lost"]))
    assert text.startswith(
        f"lk2: hairpin: {fact}: clients that can only use TURN will hear nothing; set hosts.lk2.inside"
    )
    assert not stops
    ((text, stops),) = said(settings("{host}.turn.test", public="203.0.113.12"), host(hairpin=["lost"]))
    assert text.startswith(f"lk2: hairpin: {fact}: clients that")
    assert text.endswith(", or ask for NAT loopback (docs/network.md), or leave livekit.turn.domain empty")
    assert stops


def test_several_networks_take_media_where_the_inventory_says_so(settings: Callable[..., Settings]) -> None:
    both = settings(ips=["192.0.2.0/24", "10.0.0.0/8"])
    assert "comes in at 192.0.2.12 (eth0), 10.0.0.12 (eth1), 10.8.0.1 (wg0); not at" in shown(both)
    assert said(both, host(links=BUSY)) == []
    narrow = settings(ips=["192.0.2.0/24", "10.0.0.0/8"], interfaces=["eth0"])
    assert "comes in at 192.0.2.12 (eth0); not at" in shown(narrow)


def test_no_address_is_left(settings: Callable[..., Settings]) -> None:
    assert said(settings(ips=["198.51.100.0/24"]), host()) == [
        (
            "hosts.lk2.ips: no IPv4 address is left for media (there are: 192.0.2.12 (eth0), 10.0.0.12 (eth1)), and "
            "clients are told 192.0.2.12; widen ips or interfaces",
            True,
        )
    ]
    assert said(settings(interfaces=["eth1"]), host())[0][0].startswith("hosts.lk2.ips: no IPv4 address is left")


def test_an_interface_that_is_not_there(settings: Callable[..., Settings]) -> None:
    ((text, _),) = said(settings(interfaces=["eth0", "ens9"]), host())
    assert text.startswith("hosts.lk2.interfaces: ens9 has no address here (there are: eth0, eth1)")


@pytest.mark.parametrize(
    ("device", "what", "stops"),
    [
        ("docker0", "lk2: media: would come in at 192.0.2.12 (docker0), a bridge of containers", True),
        ("br-0a1b2c3d4e5f", "lk2: media: would come in at", True),
        ("wg0", "lk2: media: comes in at 192.0.2.12 (wg0), a tunnel: clients outside of it cannot call", False),
        ("br0", "", False),
        ("bond0", "", False),
    ],
)
def test_where_no_client_gets(settings: Callable[..., Settings], device: str, what: str, stops: bool) -> None:
    found = said(settings(), host(links=[f"{device} 192.0.2.12", "eth1 10.0.0.12"]))
    assert [(text[: len(what)], stop) for text, stop in found] == ([(what, stops)] if what else [])


def test_a_tunnel_behind_nat_is_what_somebody_chose(settings: Callable[..., Settings]) -> None:
    """A gateway elsewhere that forwards its public address through WireGuard."""
    assert said(settings(public="203.0.113.12"), host(links=["wg0 192.0.2.12"], hairpin=["back"])) == []


def test_ipv6_needs_a_route(settings: Callable[..., Settings]) -> None:
    public = settings(ipv6="2a00::12")
    seen = host(links=["eth0 192.0.2.12", "eth0 2a00::12"], addresses=["192.0.2.12", "10.0.0.12", "2a00::12"])
    ((text, stops),) = said(public, seen)
    assert text.startswith("lk2: ipv6 route: 2a00::12 is told to clients, and lk2 has no route for IPv6; give it one")
    assert stops
    there = host(
        links=["eth0 192.0.2.12", "eth0 2a00::12"],
        addresses=["192.0.2.12", "10.0.0.12", "2a00::12"],
        route6=["there"],
    )
    assert said(public, there) == []
    assert shown(public, "eth0 192.0.2.12", "eth0 2a00::12").startswith(
        "clients are told 192.0.2.12,2a00::12; comes in"
    )
    inside = settings(ipv6="fd00::12")
    alone = host(links=["eth0 192.0.2.12", "eth0 fd00::12"], addresses=["192.0.2.12", "10.0.0.12", "fd00::12"])
    assert said(inside, alone) == [], "a network of one's own has no way to everybody"


def test_ipv6_that_is_on_no_interface(settings: Callable[..., Settings]) -> None:
    found = [text for text, _ in said(settings(ipv6="2a00::12"), host(route6=["there"]))]
    assert [text.partition(" is")[0] for text in found] == ["lk2: address: 2a00::12"]


def test_the_question_tells_devices_and_addresses() -> None:
    """By a real shell, on this machine."""
    told = subprocess.run(["sh", "-c", LINKS[1]], capture_output=True, text=True, check=True).stdout.splitlines()
    assert "lo 127.0.0.1" in told


def test_a_host_without_livekit_is_not_asked(settings: Callable[..., Settings]) -> None:
    made = dataclasses.replace(settings(), offered=None)
    assert said(made, host(links=["docker0 192.0.2.12"])) == []
