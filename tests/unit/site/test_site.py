"""Bad inventories: every error is found, and said as `path: fact; remedy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.releases import compatibility
from livekit_metal.site.model import Site

MakeSite = Callable[[dict[str, Any]], Site]


def put(data: dict[str, Any], path: str, value: object) -> None:
    *above, last = path.split("/")
    for key in above:
        data = data.setdefault(key, {})
    data[last] = value


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("livekti", {}, "livekti: unknown key; did you mean 'livekit'?"),
        ("livekit/relase", "1.13.7", "livekit.relase: unknown key; did you mean 'release'?"),
        ("livekit/node_ip", "192.0.2.1", "livekit.node_ip: unknown key; "),
        (
            "livekit/room",
            {"empty_timeout": "5m"},
            "livekit.room.empty_timeout: is '5m' (str); make it a whole number",
        ),
        ("livekit/source", "docker", "livekit.source: is 'docker'; choose one of archive, module, file"),
        (
            "livekit/release",
            "1.13.99",
            "livekit.release: livekit-server 1.13.99 is not known; the nearest known version is",
        ),
        (
            "livekit/release",
            "1.10.0",
            "livekit.release: livekit-server 1.10.0 is known to be bad: it gives out malformed TURN URLs, ",
        ),
        (
            "livekit/extra",
            {"agents": {"endpoints": {"disabled": True}}},
            "livekit.extra.agents.endpoints: is not known to livekit-server 1.13.7; remove it, or choose 1.13.8 or",
        ),
        ("hosts/lk1/arch", "arm64", "livekit.release: livekit-server 1.13.9 has no known archive for arm64"),
        ("livekit/slots", ["a"], "livekit.slots: are ['a']; name two to five different slots"),
        ("livekit/slots", "abc", "livekit.slots: is 'abc' (str); make it a list"),
        ("livekit/signal", "7890-7891", "livekit.signal: has 2 ports for 3 slots; widen it"),
        (
            "livekit/media_udp",
            "60000-50000",
            "livekit.media_udp: 60000-50000 runs backwards; write it as '50000-60000'",
        ),
        (
            "livekit/extra",
            {"port": 1},
            "livekit.extra.port: is set by livekit-metal; use livekit.signal",
        ),
        (
            "livekit/extra",
            {"rtc": {"tcp_port": 1}},
            "livekit.extra.rtc.tcp_port: is set by livekit-metal; use livekit.ice_tcp",
        ),
        (
            "livekit/extra",
            {"rtc": {"batch_io": {"batch_size": 64}}},
            "livekit.extra.rtc.batch_io.batch_size: is set by livekit-metal; use livekit.batch_size",
        ),
        (
            "livekit/batch_size",
            -1,
            "livekit.batch_size: is -1; give a number of packets, or 0 for no batches",
        ),
        ("livekit/batch_interval", "2", "livekit.batch_interval: is '2'; write it like '2ms'"),
        ("livekit/source", "file", "livekit.file: is empty while source is 'file'; set it to the path of the program"),
        ("hosts/lk1/address", "lk1.example.org", "hosts.lk1.address: 'lk1.example.org' is not an IP address; "),
        (
            "hosts/lk2/address",
            "192.0.2.11",
            "hosts.lk2.address: 192.0.2.11 is also that of lk1; give each its own",
        ),
        (
            "hosts/lk1/roles",
            ["livekit"],
            "hosts: no host has the role redis; give it to exactly one host, or set ",
        ),
        (
            "hosts/lk2/roles",
            ["redis"],
            "hosts: lk1, lk2 have the role redis; give it to exactly one host, or ",
        ),
        (
            "hosts/lk1/roles",
            ["sfu"],
            "hosts.lk1.roles[0]: is 'sfu'; choose one of redis, ",
        ),
        ("hosts/lk1/ssh", {"port": 0}, "hosts.lk1.ssh.port: is 0; choose a port in 1-65535"),
        (
            "hosts/lk1/cluster",
            "8.8.8.8",
            "redis: would listen on the public address 8.8.8.8 without TLS; give hosts.lk1.cluster a private address, "
            "or use redis.external with tls",
        ),
        ("redis/external", {}, "redis.external: needs exactly one of address and sentinels; set one of them"),
        (
            "firewall/admin",
            ["10.0.0.1/8"],
            "firewall.admin[0]: '10.0.0.1/8' is not a network; write one such as",
        ),
        (
            "firewall/admin",
            [],
            "firewall.admin: is empty; name the networks you administer from, or nobody gets in",
        ),
        ("paths/config", "etc", "paths.config: 'etc' is not a path on a host; write an absolute path"),
        ("hosts", [], "hosts: is [] (list); make it a mapping"),
    ],
)
def test_bad_input_is_told(site_data: dict[str, Any], make_site: MakeSite, path: str, value: object, said: str) -> None:
    if value == "arm64":
        put(site_data, "livekit/release", "1.13.9")
    put(site_data, path, value)
    with pytest.raises(SiteError) as caught:
        make_site(site_data)
    assert any(line.startswith(said) for line in str(caught.value).splitlines()), str(caught.value)


def test_versions_that_cannot_run_together_are_told(
    site_data: dict[str, Any], make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"livekit-server": "1.13.7"}
    monkeypatch.setattr(compatibility, "together", lambda asked: Problem("livekit.release", str(asked), "mend it"))
    with pytest.raises(SiteError) as caught:
        make_site(site_data)
    assert str(caught.value) == f"livekit.release: {said}; mend it"


def test_all_errors_come_together(site_data: dict[str, Any], make_site: MakeSite) -> None:
    put(site_data, "livekit/relase", "1")
    put(site_data, "hosts/lk1/address", "nowhere")
    put(site_data, "redis/port", "x")
    with pytest.raises(SiteError) as caught:
        make_site(site_data)
    assert len(caught.value.problems) == 3


def test_an_external_redis_needs_no_redis_host(site_data: dict[str, Any], make_site: MakeSite) -> None:
    site_data["hosts"]["lk1"]["roles"] = ["livekit"]
    site_data["redis"] = {
        "external": {"sentinel_master": "lk", "sentinels": ["10.0.0.5:26379"], "user": "lk", "tls": True}
    }
    stack = make_site(site_data).for_host("lk1")
    assert stack.redis is None
    assert stack.livekit is not None
    assert stack.livekit.config("a")["redis"] == {
        "username": "lk",
        "sentinel_master_name": "lk",
        "sentinel_addresses": ["10.0.0.5:26379"],
        "read_timeout": 2000,
        "write_timeout": 2000,
        "tls": {"enabled": True},
    }


def test_one_host_keeps_redis_on_loopback(single: Site, cluster: Site) -> None:
    alone, first = single.for_host("lk1"), cluster.for_host("lk1")
    assert alone.redis is not None
    assert first.redis is not None
    assert (alone.redis.bind, alone.redis.address) == (("127.0.0.1",), "127.0.0.1:6379")
    assert (first.redis.bind, first.redis.address) == (("127.0.0.1", "10.0.0.11"), "10.0.0.11:6379")


def test_peers_are_known_from_the_site(cluster: Site) -> None:
    edge = cluster.for_host("lk2").edge
    assert edge is not None
    assert dict(edge.peers) == {"lk1": "10.0.0.11", "lk3": "10.0.0.13"}
    assert cluster.for_host("lk2").redis is None


def test_no_plain_text_of_a_secret_in_what_a_site_prints(cluster: Site) -> None:
    assert cluster.vault is not None
    shown = repr(cluster) + "".join(repr(cluster.for_host(host)) for host in cluster.hosts)
    assert not [value for value in cluster.vault.every_value() if value in shown]
