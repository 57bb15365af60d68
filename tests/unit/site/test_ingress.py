"""Sites with ingress: what is wrong is said as `path: fact; remedy`, and what follows from it for the other roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Reach
from livekit_metal.site.model import Site
from tests.support.values.sites import streaming

MakeSite = Callable[[dict[str, Any]], Site]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"release": "1.4.3", "source": "module", "file": "", "sha256": ""},
            "ingress.release: ingress 1.4.3 is not known",
        ),
        ({"source": "archive"}, "ingress.source: is 'archive'; choose one of module, file"),
        (
            {"sha256": "x"},
            "ingress.sha256: is 'x', not 64 hexadecimal digits; set it to what `sha256sum /builds/ingress`",
        ),
        ({"rtmp": "1936-1937"}, "ingress.rtmp: has 2 ports for 3 slots; widen it"),
        ({"relay": "8081-8083"}, "ingress.whip: ingress/whip-b (tcp 8081) overlaps ingress/relay-a (tcp 8081) on lk1"),
        ({"slots": ["a"]}, "ingress.slots: are ['a']; name two to five different slots"),
        ({"rtmp_base_url": "live.example.com"}, "ingress.rtmp_base_url: 'live.example.com' is not a URL; write scheme"),
        ({"whip_base_url": "rtmp://x/w"}, "ingress.whip_base_url: is 'rtmp://x/w'; write it as 'http://"),
        ({"cpu_cost": {"rtmp": 0}}, "ingress.cpu_cost.rtmp: is 0; say how many cores it needs"),
        ({"cpu_cost": {"min_idle": 1}}, "ingress.cpu_cost.min_idle: is 1; write a share between 0 and 1"),
        ({"process_list": "hidden"}, "ingress.process_list: is 'hidden'; choose one of refuse, hide, accept"),
        ({"drain": {"deadline": "5s"}}, "ingress.drain.deadline: is 5s; give streams at least 10s"),
        (
            {"drain": {"finish": "5s"}},
            "ingress.drain.finish: is 5s, and a stream may take 15 s to end; give it at least",
        ),
        ({"drain": {"deadline": "6h"}}, "edge.hard_stop_after: is 5h, less than ingress.drain.deadline (6h); raise it"),
        ({"extra": {"rtmp_port": 1}}, "ingress.extra.rtmp_port: is set by livekit-metal; use ingress.rtmp"),
        (
            {"extra": {"rtc_config": {"use_external_ip": True}}},
            "ingress.extra.rtc_config.use_external_ip: is set by livekit-metal",
        ),
    ],
)
def test_a_bad_value_is_named(
    make_site: MakeSite, site_data: dict[str, Any], values: dict[str, Any], said: str
) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(streaming(site_data | {"ingress": values}))
    assert said in str(caught.value)


def test_whoever_makes_an_ingress_is_told_where_encoders_go(streaming_site: Site) -> None:
    """The same on every host: that of the first host with ingress, by way of its edge."""
    edge, public = streaming_site.edge, streaming_site.hosts["lk1"].public_address
    for name in streaming_site.with_role("livekit"):
        livekit = streaming_site.for_host(name).livekit
        assert livekit is not None
        assert livekit.config(livekit.slots[0])["ingress"] == {
            "rtmp_base_url": f"rtmp://{public}:{edge.rtmp}/x",
            "whip_base_url": f"http://{public}:{edge.http}/w",
        }


def test_below_a_prefix_encoders_are_told_of_it(make_site: MakeSite, site_data: dict[str, Any]) -> None:
    edge = {"tls": "internal", "domain": "live.example.com", "path_prefix": "/livekit"}
    livekit = make_site(streaming(site_data | {"edge": edge})).for_host("lk1").livekit
    assert livekit is not None
    assert livekit.ingress["whip_base_url"] == "https://live.example.com/livekit/w"


def test_addresses_of_ones_own_are_taken_as_they_are(make_site: MakeSite, site_data: dict[str, Any]) -> None:
    own = {"rtmp_base_url": "rtmps://live.example.com/x", "whip_base_url": "https://live.example.com/w"}
    livekit = make_site(streaming(site_data | {"ingress": own})).for_host("lk1").livekit
    assert livekit is not None
    assert livekit.ingress == own


def test_without_ingress_nothing_of_it_is_anywhere(cluster: Site) -> None:
    stack = cluster.for_host("lk1")
    assert stack.livekit is not None
    assert stack.edge is not None
    assert "ingress" not in stack.livekit.config("a")
    assert (stack.ingress, stack.edge.streams) == (None, None)
    assert not [p for p in stack.ports if p.range.first in (1935, 7871, 7885)]


def test_every_edge_takes_streams_and_only_media_and_the_edge_are_open(streaming_site: Site) -> None:
    for name, host in streaming_site.hosts.items():
        ports = streaming_site.ports(name)
        public = {f"{p.owner}/{p.name}" for p in ports if p.reach is Reach.PUBLIC and p.owner != "livekit"}
        media = {f"ingress/media-{s}" for s in streaming_site.ingress.slots} if "ingress" in host.roles else set()
        assert public == {"edge/http", "edge/rtmp", *media}


def test_a_host_may_have_ingress_and_no_livekit_server(make_site: MakeSite, site_data: dict[str, Any]) -> None:
    site_data["hosts"]["lk3"]["roles"] = ["ingress"]
    site_data["ingress"] = {"source": "file", "file": "/x", "sha256": "0" * 64}
    stack = make_site(site_data).for_host("lk3")
    assert stack.edge is not None
    assert stack.ingress is not None
    assert stack.livekit is None
    assert list(stack.edge.peers) == ["lk1", "lk2"]
    reach = {p.name: p.reach for p in stack.ports if p.owner == "edge"}
    assert reach == {
        "http": Reach.PUBLIC,
        "peer": Reach.CLUSTER,
        "rtmp": Reach.PUBLIC,
        "rtmp-peer": Reach.CLUSTER,
        "metrics": Reach.CLUSTER,
    }


def test_prometheus_asks_every_slot_through_the_edge(streaming_site: Site) -> None:
    prometheus = streaming_site.for_host("lk1").prometheus
    assert prometheus is not None
    found = {(t.host, t.path) for t in prometheus.targets if t.job == "ingress"}
    hosts = streaming_site.with_role("ingress")
    assert found == {(host, f"/ingress/{slot}") for host in hosts for slot in streaming_site.ingress.slots}
