"""What a host says of its network, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.site.model import Site

MakeSite = Callable[[dict[str, Any]], Site]


@pytest.mark.parametrize(
    ("said", "node_ip", "networks"),
    [
        ({}, "192.0.2.12", ("192.0.2.12/32",)),
        ({"public": "203.0.113.12"}, "203.0.113.12", ("192.0.2.12/32",)),
        ({"ipv6": "2A00:0::12"}, "192.0.2.12,2a00::12", ("192.0.2.12/32", "2a00::12/128")),
        ({"address": "2a00::12"}, "2a00::12", ("2a00::12/128",)),
        ({"ips": ["192.0.2.0/24", "10.0.0.0/8"]}, "192.0.2.12", ("192.0.2.0/24", "10.0.0.0/8")),
    ],
)
def test_what_clients_are_told_and_where_media_comes_in(
    site_data: dict[str, Any], make_site: MakeSite, said: dict[str, Any], node_ip: str, networks: tuple[str, ...]
) -> None:
    site_data["hosts"]["lk2"] |= said
    livekit = make_site(site_data).for_host("lk2").livekit
    assert livekit is not None
    rtc = livekit.config("a")["rtc"]
    assert (rtc["node_ip"], tuple(rtc["ips"]["includes"])) == (node_ip, networks)
    assert "interfaces" not in rtc


def test_only_interfaces_that_the_inventory_names(site_data: dict[str, Any], make_site: MakeSite) -> None:
    site_data["hosts"]["lk2"] |= {"interfaces": ["eth0"], "ipv6": "2a00::12"}
    livekit = make_site(site_data).for_host("lk2").livekit
    assert livekit is not None
    config = livekit.config("a")
    assert config["rtc"]["interfaces"] == {"includes": ["eth0"]}
    assert config["turn"]["bind_addresses"] == ["192.0.2.12", "2a00::12"], "clients are told of TURN at both"


def test_certificates_are_for_ipv6_too(site_data: dict[str, Any], make_site: MakeSite) -> None:
    site_data["hosts"]["lk2"]["ipv6"] = "2a00::12"
    site = make_site(site_data | {"edge": {"tls": "internal"}})
    assert site.served["lk2"].covers("2a00::12")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            {"ipv6": "192.0.2.99"},
            "hosts.lk2.ipv6: 192.0.2.99 is not an IPv6 address; IPv4 goes into address and public",
        ),
        ({"ipv6": "fe80"}, "hosts.lk2.ipv6: 'fe80' is not an IP address; "),
        (
            {"address": "2a00::1", "ipv6": "2a00::12"},
            "hosts.lk2.ipv6: goes beside IPv4, and clients come to 2a00::1; leave ipv6 empty: ",
        ),
        (
            {"public": "2a00::12"},
            "hosts.lk2.public: 2a00::12 and address 192.0.2.12 are of two families: no 1:1 NAT does that; give both",
        ),
        (
            {"ips": ["192.0.2.12/24"]},
            "hosts.lk2.ips[0]: '192.0.2.12/24' is not a network; write one such as 192.0.2.0/24",
        ),
        ({"ips": "192.0.2.0/24"}, "hosts.lk2.ips: is '192.0.2.0/24' (str); make it a list"),
    ],
)
def test_combinations_that_cannot_be(
    site_data: dict[str, Any], make_site: MakeSite, said: dict[str, Any], problem: str
) -> None:
    site_data["hosts"]["lk2"] |= said
    with pytest.raises(SiteError) as refused:
        make_site(site_data)
    assert problem in str(refused.value)


def test_an_address_of_ipv6_is_that_of_one_host(site_data: dict[str, Any], make_site: MakeSite) -> None:
    for name in ("lk1", "lk2"):
        site_data["hosts"][name]["ipv6"] = "2a00::12"
    with pytest.raises(SiteError, match=r"hosts\.lk2\.ipv6: 2a00::12 is also that of lk1"):
        make_site(site_data)
