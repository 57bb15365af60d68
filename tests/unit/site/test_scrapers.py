"""A Prometheus of the operator's: networks that may scrape, with or without ours, and a login where it is wanted."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Port
from livekit_metal.diagnosis.from_client.network import _admitted
from livekit_metal.diagnosis.subject import Subject, admitted, shut
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.exporters.settings import SCRAPERS
from livekit_metal.roles.exporters.settings import Settings as Exporters
from livekit_metal.roles.firewall.rules import rules
from livekit_metal.roles.firewall.settings import Settings as Firewall
from livekit_metal.roles.prometheus.settings import Settings as Prometheus
from livekit_metal.site.model import Site
from tests.support.values.sites import CLUSTER, SINGLE

MakeSite = Callable[[dict[str, Any]], Site]
ELSEWHERE = "198.51.100.9/32"
DOORS = {"exporters/node", "exporters/redis", "edge/metrics"}


def site_of(make_site: MakeSite, data: dict[str, Any], *, ours: bool = True, login: str = "") -> Site:
    made = copy.deepcopy(data)
    if not ours:
        made["hosts"]["lk1"]["roles"].remove("prometheus")
    made["exporters"] = {"networks": [ELSEWHERE], "login": login}
    return make_site(made)


@pytest.mark.parametrize("login", ["", "grafana"])
def test_a_host_alone_does_not_send_them_over_the_internet(make_site: MakeSite, login: str) -> None:
    made = copy.deepcopy(SINGLE)
    made["hosts"]["lk1"]["address"] = "93.184.216.34"
    assert site_of(make_site, made | {"cluster_is_private": True}, login=login)
    with pytest.raises(SiteError, match=r"exporters.networks: metrics.* over the internet in clear, at 93.184.216.34"):
        site_of(make_site, made, login=login)
    made["hosts"]["lk1"]["cluster"] = "10.0.0.1"
    assert site_of(make_site, made, login=login)


def ports(site: Site, host: str = "lk1") -> dict[str, Port]:
    return {f"{p.owner}/{p.name}": p for p in site.ports(host)}


def let_in(site: Site, host: str = "lk1") -> set[str]:
    """The ports that the firewall opens to the network, of all that the registry has."""
    made = rules(site.for_host(host).the(Firewall))
    groups = {group.name: (*group.v4, *group.v6) for group in made.groups}
    found = dict(made.tcp)
    return {
        name
        for name, port in ports(site, host).items()
        if any(
            str(port.range) == numbers
            and any(
                f"@{group}" in verdict or group in verdict
                for group, at in groups.items()
                if ELSEWHERE in at or ELSEWHERE.removesuffix("/32") in at
            )
            for numbers, verdict in found.items()
        )
    }


@pytest.mark.parametrize("ours", [True, False], ids=["with ours", "without"])
@pytest.mark.parametrize("data", [SINGLE, CLUSTER], ids=["one host", "cluster"])
def test_every_exporter_is_open_to_the_network_and_bound_where_it_comes(
    make_site: MakeSite, data: dict[str, Any], *, ours: bool
) -> None:
    site = site_of(make_site, data, ours=ours)
    expected = ("prometheus", "scrapers") if ours else ("scrapers",)
    for name in DOORS:
        assert ports(site)[name].clients == expected
    assert let_in(site) == DOORS
    stack, at = site.for_host("lk1"), site.hosts["lk1"].cluster_address
    assert (stack.the(Exporters).node_listen, stack.the(Exporters).redis_listen) == (f"{at}:9100", f"{at}:9121")
    assert stack.the(Edge).monitored
    assert stack.the(Edge).endpoints["metrics"] == f"{at}:8404"
    assert stack.the(Edge).endpoints["peer"] == f"{site.inside('lk1')}:7870", (
        "what is for hosts of the site alone stays"
    )
    targets = stack.the(Prometheus).targets if ours else ()
    assert {t.address for t in targets if t.host == "lk1"} == ({at} if ours else set()), "ours asks there, too"


def test_without_it_nothing_is_open_and_without_ours_nothing_is_there(make_site: MakeSite) -> None:
    site = make_site(copy.deepcopy(CLUSTER))
    assert {ports(site)[name].clients for name in DOORS} == {("prometheus",)}
    data = copy.deepcopy(SINGLE)
    data["hosts"]["lk1"]["roles"].remove("prometheus")
    assert not DOORS & set(ports(make_site(data)))


def test_who_logs_in_comes_by_one_door(make_site: MakeSite) -> None:
    site = site_of(make_site, CLUSTER, login="grafana")
    assert let_in(site) == {"edge/metrics"}
    assert {name: ports(site)[name].clients for name in DOORS - {"edge/metrics"}} == {
        "exporters/node": ("prometheus",),
        "exporters/redis": ("prometheus",),
    }
    scrapers = site.for_host("lk1").the(Edge).scrapers
    assert scrapers is not None
    assert scrapers.others == {"node": "10.0.0.11:9100", "redis": "10.0.0.11:9121"}
    assert scrapers.ours == ("10.0.0.11", "127.0.0.1"), "our own Prometheus needs no password"
    assert list(site.for_host("lk2").the(Edge).scrapers.others) == ["node"]  # type: ignore[union-attr]
    (password,) = (each.reveal() for each in site.opened.passwords("metrics"))
    assert len(scrapers.digests) == 1
    assert password not in repr(site.for_host("lk1"))


@pytest.mark.parametrize(
    ("exporters", "said"),
    [
        (
            {"networks": ["0.0.0.0/0"]},
            "exporters.networks[0]: 0.0.0.0/0 is everybody, and metrics go in the clear; name the network that your "
            "Prometheus is in",
        ),
        (
            {"networks": ["::/0"], "login": "grafana"},
            "exporters.networks[0]: ::/0 is everybody, and metrics go in the clear; name the network that your "
            "Prometheus is in",
        ),
        (
            {"login": "grafana"},
            "exporters.login: is set, and no network may scrape; name some in networks, or leave it out",
        ),
        (
            {"login": "a b", "networks": [ELSEWHERE]},
            "exporters.login: is 'a b'; use letters, digits, dots, dashes and _",
        ),
    ],
)
def test_bad_settings_are_refused(make_site: MakeSite, exporters: dict[str, Any], said: str) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(copy.deepcopy(CLUSTER) | {"exporters": exporters})
    assert str(caught.value) == said


def test_a_login_needs_an_edge_on_every_host(make_site: MakeSite) -> None:
    data = copy.deepcopy(CLUSTER)
    data["hosts"]["redis1"] = {"address": "192.0.2.14", "cluster": "10.0.0.14", "roles": ["redis"]}
    data["hosts"]["lk1"]["roles"].remove("redis")
    with pytest.raises(
        SiteError, match=r"exporters\.login: redis1 has no edge, where a Prometheus of yours would log in"
    ):
        site_of(make_site, data, login="grafana")
    assert let_in(site_of(make_site, data), "redis1") == {"exporters/node", "exporters/redis"}


def test_the_doctor_expects_them_closed_but_from_there(make_site: MakeSite) -> None:
    site = site_of(make_site, CLUSTER)
    found = admitted(site.ports("lk1"), {SCRAPERS: site.of(Exporters).networks})
    assert set(found) == DOORS <= set(shut(site.ports("lk1")))
    case = Subject(access=None, admitted=found)  # type: ignore[arg-type]
    assert {_admitted(case, "edge/metrics", here) for here in ("198.51.100.8", "2001:db8::1", "")} == {False}
    assert _admitted(case, "edge/metrics", "198.51.100.9")
    assert not _admitted(case, "redis/redis", "198.51.100.9")


def test_no_existing_site_is_changed_by_it(make_site: MakeSite) -> None:
    for data in (SINGLE, CLUSTER):
        site = make_site(copy.deepcopy(data))
        edge = site.for_host("lk1").the(Edge)
        assert dataclasses.replace(edge, metrics_address="").endpoints == edge.endpoints
