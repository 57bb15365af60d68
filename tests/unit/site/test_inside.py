"""Addresses inside and outside at once: nodes behind NAT, and daemons on hosts of their own beside them."""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.preflight.settings import Peer
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import host as looked
from tests.roles.preflight.test_preflight import said
from tests.support.values.sites import RECORDING

MakeSite = Callable[[dict[str, Any]], Site]
BEHIND: dict[str, Any] = {
    "hosts": {
        "lk1": {"address": "10.10.0.11", "public": "203.0.113.11", "roles": ["livekit", "redis"]},
        "lk2": {"address": "10.10.0.12", "public": "203.0.113.12", "roles": ["livekit"]},
        "rec1": {"address": "10.10.0.21", "roles": ["egress"]},
    },
    "egress": RECORDING,
}


def behind(**inside: bool) -> dict[str, Any]:
    data = copy.deepcopy(BEHIND)
    for name, value in inside.items():
        data["hosts"][name]["inside"] = value
    return data


def livekit(site: Site, host: str) -> Livekit:
    return site.for_host(host).the(Livekit)


def test_clients_are_told_both_where_the_inventory_says_so(make_site: MakeSite) -> None:
    site = make_site(behind(lk1=True))
    rtc = livekit(site, "lk1").config("a")["rtc"]
    assert (rtc["node_ip"], rtc["advertise_internal_ip"], rtc["use_external_ip"]) == ("203.0.113.11", True, False)
    assert rtc["ips"] == {"includes": ["10.10.0.11/32"]}, "what is told besides: the host's addresses in there"
    assert "advertise_internal_ip" not in livekit(site, "lk2").config("a")["rtc"]


def test_relays_of_every_node_lead_to_the_addresses_inside(make_site: MakeSite) -> None:
    site = make_site(behind(lk1=True))
    for host in ("lk1", "lk2"):
        turn = livekit(site, host).config("a")["turn"]
        assert "10.10.0.11/32" in turn["allow_restricted_peer_cidrs"]
        assert "10.10.0.12/32" not in turn["allow_restricted_peer_cidrs"]
        denied = [ipaddress.ip_network(each) for each in turn["deny_peer_cidrs"]]
        granted = {a for a in _ADDRESSES if not any(ipaddress.ip_address(a) in each for each in denied)}
        assert granted == {"10.10.0.11", "203.0.113.11", "203.0.113.12"}
        nodes = site.for_host(host).firewall.relays.nodes  # type: ignore[attr-defined]
        assert set(nodes) >= granted, "the chain at the output lets them pass, to ports of media"


_ADDRESSES = ("10.10.0.11", "10.10.0.12", "10.10.0.21", "203.0.113.11", "203.0.113.12", "192.0.2.1")


def test_an_address_of_the_cluster_is_inside_where_media_comes_in_at_it(make_site: MakeSite) -> None:
    data = behind(lk1=True)
    data["hosts"]["lk1"] |= {"cluster": "10.20.0.11", "ips": ["10.10.0.0/24", "10.20.0.0/24"]}
    site = make_site(data)
    assert site.hosts["lk1"].told == ("203.0.113.11", "10.10.0.11", "10.20.0.11")
    assert {"10.10.0.11/32", "10.20.0.11/32"} <= set(
        livekit(site, "lk2").config("a")["turn"]["allow_restricted_peer_cidrs"]
    )
    data["hosts"]["lk1"]["ips"] = ["10.10.0.0/24"]
    assert make_site(data).hosts["lk1"].told == ("203.0.113.11", "10.10.0.11")


@pytest.mark.parametrize("release", ["1.13.5", "1.13.4"])
def test_a_release_that_tells_one_address_is_refused(make_site: MakeSite, release: str) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(behind(lk1=True) | {"livekit": {"release": release, "source": "module"}})
    assert str(caught.value) == (
        f"hosts.lk1.inside: needs livekit-server 1.13.6: {release} tells public alone, whatever "
        "rtc.advertise_internal_ip says; set livekit.release to 1.13.6 or newer, or have NAT bring back what comes "
        "from inside"
    )
    assert make_site(behind() | {"livekit": {"release": release, "source": "module"}})


def test_without_nat_there_is_nothing_inside(make_site: MakeSite) -> None:
    data = behind(lk1=True)
    del data["hosts"]["lk1"]["public"]
    with pytest.raises(SiteError, match=r"hosts\.lk1\.inside: is True, and clients are told 10\.10\.0\.11 as it is; "):
        make_site(data)


def test_upstreams_own_key_is_refused_with_the_setting(make_site: MakeSite) -> None:
    with pytest.raises(SiteError, match=r"livekit.extra.rtc.advertise_internal_ip: .*hosts\.NAME\.inside"):
        make_site(behind() | {"livekit": {"extra": {"rtc": {"advertise_internal_ip": True}}}})


def test_every_host_that_calls_is_asked_for_hairpin(make_site: MakeSite) -> None:
    site = make_site(behind(lk2=True))
    preflight = site.for_host("rec1").preflight  # type: ignore[attr-defined]
    assert preflight.behind == (Peer(name="lk1", address="203.0.113.11", port=7881),), "lk2 tells its own as well"
    assert not site.for_host("lk2").preflight.behind  # type: ignore[attr-defined]
    assert [site.for_host(h).preflight.hairpin for h in site.hosts] == ["203.0.113.11", "", ""]  # type: ignore[attr-defined]


def test_preflight_says_what_daemons_do_not_reach(make_site: MakeSite) -> None:
    preflight = make_site(behind()).for_host("rec1").preflight  # type: ignore[attr-defined]
    quiet = {"addresses": ["10.10.0.21"], "links": ["eth0 10.10.0.21"]}

    def found(*answers: str, peers: tuple[str, ...] = ("lk1 answers", "lk2 answers")) -> list[tuple[str, bool]]:
        everything = said(preflight, looked(behind=list(answers), peers=list(peers), **quiet), "lk1", "lk2", "rec1")
        return [each for each in everything if "hairpin" in each[0]]

    assert found("lk1 answers", "lk2 answers") == []
    text = (
        "rec1: hairpin: rec1 does not reach 203.0.113.11:7881, where daemons here send media for lk1; set "
        "hosts.lk1.inside, which tells them its own address too, or ask for hairpin NAT (docs/network.md)"
    )
    assert found("lk1 silent", "lk2 answers") == [(text, False)]
    assert found("lk1 silent", peers=("lk1 silent", "lk2 answers")) == [], "a node that is away says nothing of NAT"
