"""Redis: one of our own or somebody else's, where it is reached, and who may do what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Reach
from livekit_metal.roles.redis.settings import Settings
from livekit_metal.site.model import Site

MakeSite = Callable[[dict[str, Any]], Site]


@pytest.fixture
def external_data(site_data: dict[str, Any]) -> dict[str, Any]:
    """A site whose Redis is run by others."""
    site_data["hosts"]["lk1"]["roles"] = ["livekit", "prometheus"]
    site_data["redis"] = {"external": {"address": "10.9.9.9:6379"}}
    return site_data


@pytest.mark.parametrize(
    ("redis", "said"),
    [
        ({"port": "6379-6380"}, "redis.port: is a range (6379-6380); give one port"),
        ({"max_memory_mb": 63}, "redis.max_memory_mb: is 63; give Redis at least 64 MB"),
        ({"bind": ["0.0.0.0"]}, "redis.bind: unknown key; "),
        ({"external": {"address": "10.9.9.9:6379"}}, "redis.external: is set and lk1 has the role redis; drop one"),
        ({"external": {}}, "redis.external: needs exactly one of address and sentinels; set one of them"),
        (
            {"external": {"address": "10.9.9.9:6379", "sentinels": ["10.9.9.8:26379"], "sentinel_master": "m"}},
            "redis.external: needs exactly one of address and sentinels; ",
        ),
        ({"external": {"sentinels": ["10.9.9.8:26379"]}}, "redis.external.sentinel_master: is missing; "),
        ({"external": {"address": "10.9.9.9"}}, "redis.external.address: '10.9.9.9' is not host:port; write it as "),
        ({"external": {"address": "redis://10.9.9.9:6379"}}, "redis.external.address: 'redis://10.9.9.9:6379' is not "),
        ({"external": {"address": "fd00::9:6379"}}, "redis.external.address: 'fd00::9:6379' is not host:port; "),
        ({"external": {"address": "redis:65536"}}, "redis.external.address: 'redis:65536' is not host:port; "),
        (
            {"external": {"sentinels": ["10.9.9.8:26379", "here"], "sentinel_master": "m"}},
            "redis.external.sentinels[1]: 'here' is not host:port; ",
        ),
        (
            {"external": {"address": "10.9.9.9:6379", "ca_file": "/etc/ca.pem"}},
            "redis.external.ca_file: is set and tls is not; set tls, or drop it",
        ),
        (
            {"external": {"cluster": ["10.9.9.9:6379"]}},
            "redis.external.cluster: is a cluster, in which LiveKit cannot delete trunks and dispatch rules "
            "(CROSSSLOT, livekit#3654); use one Redis (address), or Sentinels",
        ),
        (
            {"external": {"address": "10.9.9.9:6379", "tls": True, "client_key": "/etc/k.pem"}},
            "redis.external.client_certificate: and client_key belong together; set both, or none",
        ),
        (
            {"external": {"address": "10.9.9.9:6379", "client_certificate": "/etc/c.pem", "client_key": "/etc/k.pem"}},
            "redis.external.client_certificate: is set and tls is not; set tls, or drop it",
        ),
        (
            {"external": {"address": "10.9.9.9:6379", "sentinel_password": True}},
            "redis.external: names a login at Sentinels and no Sentinels; set sentinels, or drop it",
        ),
        (
            {"external": {"address": "10.9.9.9:6379", "db": -1}},
            "redis.external.db: is -1; give the number of a database",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    redis: dict[str, Any], said: str, site_data: dict[str, Any], make_site: MakeSite
) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(site_data | {"redis": redis})
    assert [line for line in str(caught.value).splitlines() if line.startswith(said)], str(caught.value)


@pytest.mark.parametrize("address", ["10.9.9.9:6379", "redis-1.example.org:6380", "[fd00::9]:6379"])
def test_addresses_of_a_redis_of_others(address: str, external_data: dict[str, Any], make_site: MakeSite) -> None:
    external_data["redis"]["external"]["address"] = address
    livekit = make_site(external_data).for_host("lk2").livekit
    assert livekit is not None
    assert livekit.redis.address == address


def test_with_a_redis_of_others_nothing_of_ours_is_installed(
    external_data: dict[str, Any], make_site: MakeSite
) -> None:
    site = make_site(external_data)
    for name in site.hosts:
        stack = site.for_host(name)
        assert stack.redis is None
        assert stack.exporters is not None
        assert stack.exporters.redis_address == ""
        assert not [package for package in stack.base.needed if "redis" in package]
        assert not [port for port in stack.ports if "redis" in (port.owner, port.name)]
    prometheus = site.for_host("lk1").prometheus
    assert prometheus is not None
    assert "redis" not in prometheus.jobs


def redis(site: Site) -> Settings:
    found = site.for_host("lk1").redis
    assert found is not None
    return found


def test_on_one_host_it_is_on_loopback_only(single: Site) -> None:
    assert redis(single).bind == ("127.0.0.1",)
    assert (redis(single).address, redis(single).host) == ("127.0.0.1:6379", "127.0.0.1")
    assert [port.reach for port in redis(single).ports()] == [Reach.LOCAL]


def test_in_a_cluster_it_is_on_the_address_of_the_cluster_too(cluster: Site) -> None:
    assert redis(cluster).bind == ("127.0.0.1", "10.0.0.11")
    assert (redis(cluster).address, redis(cluster).host) == ("10.0.0.11:6379", "10.0.0.11")
    assert [port.reach for port in redis(cluster).ports()] == [Reach.CLUSTER]


def test_an_address_of_ipv6_is_taken_apart(site_data: dict[str, Any], make_site: MakeSite) -> None:
    site_data["hosts"]["lk1"]["cluster"] = "fd00::11"
    found = redis(make_site(site_data))
    assert (found.address, found.host, found.bind) == ("[fd00::11]:6379", "fd00::11", ("127.0.0.1", "fd00::11"))


def test_the_mark_changes_with_any_password_and_with_nothing_else(cluster: Site) -> None:
    assert cluster.vault is not None
    marks = [redis(cluster).mark, redis(cluster).mark]
    assert marks[0] == marks[1]
    for name in ("redis", "redis-monitor", "redis-deploy"):
        cluster.vault.rotate_password(name)
        marks.append(redis(cluster).mark)
    assert len(set(marks)) == 4


def test_no_user_can_be_without_a_password(cluster: Site) -> None:
    users = redis(cluster).users
    assert users.pop("default").startswith("off "), "nobody can be it"
    for name, rules in users.items():
        assert rules.startswith("on #"), name
        assert "nopass" not in rules
    assert len({rules.split()[1] for rules in users.values()}) == 3, "each has its own"
