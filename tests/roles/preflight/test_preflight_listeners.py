"""Whom the first rules would close unasked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.foreign import Opening
from livekit_metal.core.ports import PortRange
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import SOUND, host, said

NGINX = (
    'tcp LISTEN 0 511 {}:8443 0.0.0.0:* users:(("nginx",pid=352,fd=5),("nginx",pid=351,fd=5)) '
    "cgroup:/system.slice/nginx.service"
)
WIREGUARD = "udp UNCONN 0 0 0.0.0.0:41194 0.0.0.0:* cgroup:unreachable:1"
TAILSCALE = (
    'udp UNCONN 0 0 {}:41641 0.0.0.0:* users:(("tailscaled",pid=70,fd=3)) cgroup:/system.slice/tailscaled.service'
)
IN_FORCE = [*SOUND["chains"], "table inet livekit_metal {", "\tchain input {"]


@pytest.fixture
def settings(cluster: Site) -> Settings:
    return cluster.for_host("lk2").preflight


def found(settings: Settings, *lines: str, later: tuple[str, ...] = (), **answers: list[str]) -> list[tuple[str, bool]]:
    sockets = {"sockets": [*SOUND["sockets"], *lines], "lasting": ["32768 60999", *later]}
    return said(settings, host(**(sockets | answers)))


NGINX_FOUND = (
    "lk2: firewall: nginx (process 352) listens on 8443/tcp, which would be closed to others; keep it by "
    "{'port': 8443, 'proto': 'tcp', 'purpose': 'nginx'} in firewall.open, or give it up by \"8443/tcp\" in "
    "firewall.closed"
)


def test_a_listener_of_somebody_else_stops_the_first_deploy(settings: Settings) -> None:
    assert found(settings, NGINX.format("0.0.0.0"), NGINX.format("[::]")) == [(NGINX_FOUND, True)]


def test_the_line_that_is_printed_keeps_it(
    settings: Settings, site_data: dict[str, Any], make_site: Callable[[dict[str, Any]], Site]
) -> None:
    entry = {"port": 8443, "proto": "tcp", "purpose": "nginx"}
    assert str(entry) in NGINX_FOUND
    opened = make_site({**site_data, "firewall": {"open": [entry]}}).firewall.open
    assert found(dataclasses.replace(settings, opened=opened), NGINX.format("*")) == []


@pytest.mark.parametrize("closed", ["8443/tcp", "8000-9000/tcp", "nginx"])
def test_what_is_given_up_is_not_mentioned(settings: Settings, closed: str) -> None:
    assert found(dataclasses.replace(settings, closed=(closed,)), NGINX.format("0.0.0.0")) == []


@pytest.mark.parametrize("closed", ["8443/udp", "8444/tcp", "caddy"])
def test_giving_up_something_else_does_not_count(settings: Settings, closed: str) -> None:
    assert len(found(dataclasses.replace(settings, closed=(closed,)), NGINX.format("0.0.0.0"))) == 1


def test_the_kernels_own_sockets_count(settings: Settings) -> None:
    ((text, stops),) = found(settings, WIREGUARD)
    assert text.startswith("lk2: firewall: the kernel (WireGuard, NFS or the like) listens on 41194/udp, which would")
    assert stops


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "127.0.0.53%lo", "[::ffff:127.0.0.1]"])
def test_what_only_the_host_reaches_is_nobodys_loss(settings: Settings, address: str) -> None:
    assert found(settings, NGINX.format(address)) == []


def test_what_listens_on_a_trusted_interface_stays_reachable(settings: Settings) -> None:
    trusting = dataclasses.replace(settings, trusted=("wg*",))
    lines = {"interfaces": ["lo", "eth0", "wg0", "default eth0"]}
    assert found(trusting, NGINX.format("10.8.0.1%wg0"), **lines) == []
    assert len(found(trusting, NGINX.format("10.8.0.1%eth0"), **lines)) == 1


def test_leases_are_let_in_by_every_rules(settings: Settings) -> None:
    client = (
        'udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:* users:(("dhclient",pid=5,fd=6)) cgroup:/system.slice/networking.service'
    )
    assert found(settings, client) == []


def test_a_clients_socket_is_told_from_a_listener_by_lasting(settings: Settings) -> None:
    """Both have a port of the range that clients get theirs from."""
    assert found(settings, TAILSCALE.format("0.0.0.0")) == []
    lasting = TAILSCALE.format("0.0.0.0")
    ((text, stops),) = found(settings, lasting, later=(lasting,))
    assert "tailscaled (process 70) listens on 41641/udp" in text
    assert stops


def test_with_rules_in_force_it_is_a_note(settings: Settings) -> None:
    ((text, stops),) = found(settings, NGINX.format("0.0.0.0"), chains=IN_FORCE)
    assert "which is closed to others" in text
    assert not stops


OPEN_NOW = [
    "table inet livekit_metal {",
    "\tchain input {",
    "\t\ttcp dport 8000-9000 accept",
    '\t\tiifname "wg0" accept',
]


def test_rules_that_let_in_less_than_those_in_force_close_as_the_first_ones_do(settings: Settings) -> None:
    ((text, stops),) = found(settings, NGINX.format("0.0.0.0"), chains=IN_FORCE, in_force=OPEN_NOW)
    assert "listens on 8443/tcp, which would be closed to others" in text
    assert stops
    lines = {"chains": IN_FORCE, "in_force": OPEN_NOW, "interfaces": ["lo", "eth0", "wg0", "at wg0 10.8.0.1"]}
    ((_, stops),) = found(settings, NGINX.format("10.8.0.1").replace("8443", "443"), **lines)
    assert stops, "its interface was trusted"
    ((_, stops),) = found(settings, NGINX.format("0.0.0.0").replace("8443", "443"), **lines)
    assert not stops


def test_a_table_that_filters_nothing_is_not_rules_in_force(settings: Settings) -> None:
    """firewall.mode was none: where relays lead is all that it says."""
    chains = [*SOUND["chains"], "table inet livekit_metal {", "\tchain relay_out {"]
    ((_, stops),) = found(settings, NGINX.format("0.0.0.0"), chains=chains)
    assert stops


def test_an_address_on_a_trusted_interface_stays_reachable(settings: Settings) -> None:
    """As a resolver for containers has it: bound to the bridge's address, not to its name."""
    lines = {"interfaces": ["lo", "eth0", "br-1", "default eth0", "at lo 127.0.0.1", "at br-1 10.77.0.1"]}
    trusting = dataclasses.replace(settings, trusted=("br-*",))
    assert found(trusting, NGINX.format("10.77.0.1"), **lines) == []
    assert len(found(trusting, NGINX.format("10.77.0.2"), **lines)) == 1
    assert len(found(trusting, NGINX.format("*"), **lines)) == 1


@pytest.mark.parametrize(
    ("tunnels", "proto", "whose"),
    [
        (['links [{}, {"ifname": "gre1", "linkinfo": {"info_kind": "gre"}}]'], "gre", "interface gre1"),
        (['links [{"ifname": "six", "linkinfo": {"info_kind": "sit"}}]'], "ipv6", "interface six"),
        (["links []", "ipsec esp"], "esp", "IPsec"),
    ],
)
def test_tunnels_without_a_socket_count(settings: Settings, tunnels: list[str], proto: str, whose: str) -> None:
    entry = {"proto": proto, "purpose": whose}
    said = f"the kernel ({whose}) takes {proto}, which would be closed to others; keep it by {entry} in firewall.open"
    ((text, stops),) = found(settings, tunnels=tunnels)
    assert said in text
    assert stops
    assert found(dataclasses.replace(settings, closed=(proto,)), tunnels=tunnels) == []
    assert found(dataclasses.replace(settings, opened=(Opening(**entry),)), tunnels=tunnels) == []


def test_where_nothing_is_filtered_nobody_is_closed(settings: Settings) -> None:
    """And other firewalls are the ones that must: they are no obstacle."""
    none = dataclasses.replace(settings, filters=False)
    drop = ["table inet mine {", "\tchain in {", "\t\ttype filter hook input priority filter; policy drop;"]
    assert found(none, NGINX.format("0.0.0.0"), chains=drop, ufw=["ENABLED=yes"]) == []


def test_with_mode_none_somebody_else_must_filter(
    site_data: dict[str, Any], make_site: Callable[[dict[str, Any]], Site]
) -> None:
    site = make_site({**site_data, "firewall": {"mode": "none", "open": [{"port": 8443}]}})
    notes = [str(note) for note in site.for_host("lk2").preflight.notes]
    assert notes[0] == (
        "lk2: firewall: nothing that comes in is filtered here (firewall.mode is none); another firewall must: let in "
        "what docs/network.md lists, and nothing else that the site has"
    )
    said = "firewall: open says nothing while firewall.mode is none; carry it over to what filters instead"
    assert said in map(str, site.for_host("lk1").preflight.notes)


def test_an_interface_that_an_opening_names_must_be_there(settings: Settings) -> None:
    opening = Opening(port=PortRange(9000, 9000), interface="eth9")
    assert found(dataclasses.replace(settings, opened=(opening,))) == [
        ("lk2: firewall: there is no interface eth9; correct firewall.open (9000/tcp) (there are: lo, eth0)", True)
    ]


def test_units_of_ours_that_the_site_has_no_longer_are_not_others(settings: Settings) -> None:
    left = 'tcp LISTEN 0 9 *:5070 *:* users:(("livekit-sip",pid=7,fd=3)) cgroup:/system.slice/livekit-sip@b.service'
    units = [*SOUND["units"], "livekit-sip@.service inactive"]
    assert found(settings, left, units=units) == []


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [
        ("wg1", "lk2: firewall: there is no interface wg1; correct firewall.trusted (there are: lo, eth0, wg0)"),
        (
            "eth*",
            "lk2: firewall: firewall.trusted has eth0, by which everybody else comes: the whole host would be open; "
            "take it out, and open ports by firewall.open",
        ),
    ],
)
def test_an_interface_that_cannot_be_trusted_is_refused(settings: Settings, trusted: str, expected: str) -> None:
    trusting = dataclasses.replace(settings, trusted=(trusted,))
    assert found(trusting, interfaces=["lo", "eth0", "wg0", "default eth0"]) == [(expected, True)]
