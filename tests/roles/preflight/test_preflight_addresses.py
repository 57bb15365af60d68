"""An edge that has some addresses of a host, and others that have the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import SOUND, host, said


def nginx(address: str, port: int = 443) -> list[str]:
    listens = (
        f'tcp LISTEN 0 9 {address}:{port} 0.0.0.0:* users:(("nginx",pid=7,fd=3)) cgroup:/system.slice/nginx.service'
    )
    return [*SOUND["sockets"], listens]


@pytest.fixture
def settings(site_data: dict[str, Any], make_site: Callable[..., Site]) -> Settings:
    edge = {"tls": "internal", "domain": "call.example.org", "address": ["address"]}
    return make_site(site_data | {"edge": edge}).for_host("lk2").preflight


def test_whoever_has_a_port_on_another_address_is_beside_ours(settings: Settings) -> None:
    assert said(settings, host(sockets=nginx("10.0.0.12"))) == []
    assert said(settings, host(sockets=nginx("127.0.0.1"))) == []


@pytest.mark.parametrize("address", ["192.0.2.12", "0.0.0.0", "*", "[::]"])
def test_whoever_has_ours_or_every_address_is_in_the_way(settings: Settings, address: str) -> None:
    taken = "lk2: port: 443/tcp of edge/https is taken by nginx (process 7); stop it, or move edge.https"
    assert said(settings, host(sockets=nginx(address))) == [(taken, True)]


def test_an_address_that_is_on_no_interface_is_refused(
    site_data: dict[str, Any], make_site: Callable[..., Site]
) -> None:
    site_data["hosts"] = {"lk2": site_data["hosts"]["lk2"] | {"roles": ["livekit", "redis"]}}
    site_data["edge"] = {"address": ["192.0.2.99", "127.0.0.1"]}
    settings = make_site(site_data).for_host("lk2").preflight
    assert said(settings, host()) == [
        (
            "lk2: address: edge.address 192.0.2.99 is on no interface (there are: 192.0.2.12, 10.0.0.12); correct "
            "edge.address, or give the host that address",
            True,
        )
    ]


def test_a_proxy_on_the_host_needs_its_own_ports_opened(
    site_data: dict[str, Any], make_site: Callable[..., Site]
) -> None:
    edge = {"domain": "call.example.org", "proxies": ["127.0.0.1/32"]}
    settings = make_site(site_data | {"edge": edge}).for_host("lk2").preflight
    ((text, stops),) = said(settings, host(sockets=nginx("0.0.0.0")))
    assert stops
    assert "keep it by {'port': 443, 'proto': 'tcp', 'purpose': 'nginx'} in firewall.open" in text
    opened = {"firewall": {"open": [{"port": 443}, {"port": 80}]}}
    assert (
        said(make_site(site_data | {"edge": edge} | opened).for_host("lk2").preflight, host(sockets=nginx("*"))) == []
    )
