"""What would cross the internet in the clear is refused; what is merely open is told."""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.site import inventory
from livekit_metal.site.model import Site

MakeSite = Callable[[dict[str, Any]], Site]
PUBLIC = {"lk1": "9.9.9.1", "lk2": "9.9.9.2", "lk3": "2620:fe::3"}


def refusals(make_site: MakeSite, data: dict[str, Any]) -> list[str]:
    try:
        make_site(data)
    except SiteError as error:
        return str(error).splitlines()
    return []


def test_hosts_do_not_talk_in_the_clear_over_public_addresses(site_data: dict[str, Any], make_site: MakeSite) -> None:
    for name, address in PUBLIC.items():
        site_data["hosts"][name]["cluster"] = address
    said = refusals(make_site, site_data)
    assert [line.partition(":")[0] for line in said] == [*(f"hosts.{name}.cluster" for name in PUBLIC), "redis"]
    assert said[1] == (
        "hosts.lk2.cluster: signalling with its tokens, streams and metrics would go to and from the public address "
        "9.9.9.2 unencrypted; give hosts.lk2.cluster an address in a private network or in a tunnel (WireGuard) "
        "between the hosts; set cluster_is_private if what these addresses carry is encrypted already"
    )
    assert refusals(make_site, site_data | {"cluster_is_private": True}) == []


def test_the_address_that_a_host_is_left_with_counts(site_data: dict[str, Any], make_site: MakeSite) -> None:
    del site_data["hosts"]["lk3"]["cluster"]
    site_data["hosts"]["lk3"]["address"] = PUBLIC["lk2"]
    (said,) = refusals(make_site, site_data)
    assert said.startswith("hosts.lk3.cluster: ")


def test_a_host_alone_talks_to_nobody(site_data: dict[str, Any], make_site: MakeSite) -> None:
    hosts = {"lk1": site_data["hosts"]["lk1"] | {"address": PUBLIC["lk1"], "cluster": ""}}
    assert refusals(make_site, site_data | {"hosts": hosts}) == []


@pytest.mark.parametrize(
    ("external", "told"),
    [
        ({"address": "9.9.9.9:6379"}, 1),
        ({"address": "[2620:fe::9]:6379"}, 1),
        ({"sentinels": ["10.0.0.1:26379", "9.9.9.9:26379"], "sentinel_master": "m"}, 1),
        ({"address": "9.9.9.9:6379", "tls": True}, 0),
        ({"address": "redis.example.org:6379"}, 0),
        ({"address": "10.0.0.1:6379"}, 0),
    ],
)
def test_nor_with_a_redis_elsewhere(
    site_data: dict[str, Any], make_site: MakeSite, external: dict[str, Any], told: int
) -> None:
    site_data["hosts"]["lk1"]["roles"].remove("redis")
    said = refusals(make_site, site_data | {"redis": {"external": external}})
    assert len(said) == told
    assert all(line.startswith("redis.external: its password would go to 9.9.9.9:") or "2620" in line for line in said)


def test_what_is_open_by_default_is_told_at_public_addresses_only(
    site_data: dict[str, Any], make_site: MakeSite
) -> None:
    del site_data["firewall"]
    assert make_site(site_data).for_host("lk1").preflight.notes == ()
    site_data["hosts"]["lk1"]["public"] = PUBLIC["lk1"]
    site_data["firewall"] = {"admin": ["198.51.100.0/24", "::/0"]}
    assert sorted(str(note) for note in make_site(site_data).for_host("lk1").preflight.notes) == [
        "lk1: edge.tls: is off: tokens come to 9.9.9.1:7880 in the clear, from anywhere; set it to acme, provided or "
        "internal; if a TLS proxy of yours is in front, name it in edge.proxies",
        "lk1: firewall.admin: lets ::/0 open SSH at 9.9.9.1; name the networks that you administer from",
    ]
    site_data["edge"] = {"proxies": ["198.51.100.7/32"]}
    site_data["firewall"] = {"admin": ["198.51.100.0/24"]}
    assert make_site(site_data).for_host("lk1").preflight.notes == ()


@pytest.mark.parametrize("example", ["single", "cluster"])
def test_the_examples_load_and_are_neither_open_nor_in_the_clear(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    place = tmp_path / "prod.py"
    shutil.copy(Path(inventory.__file__).parents[2] / f"inventories/{example}.example.py", place)
    site = inventory.read(place)
    assert site.edge.tls != "off"
    assert not [network for network in site.firewall.admin if ipaddress.ip_network(network).prefixlen == 0]
