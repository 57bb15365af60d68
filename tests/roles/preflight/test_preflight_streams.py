"""Whether a host can take streams: its cores, who sees its processes, the way to its own public address."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from livekit_metal.roles.ingress.preflight import findings, probes
from livekit_metal.roles.ingress.settings import Settings
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import host
from tests.support.values.sites import streaming

HIDDEN: dict[str, list[str]] = {"hidepid": ["hidden"]}


Host = tuple[Settings, Preflight]


@pytest.fixture
def settings(make_site: Any, site_data: dict[str, Any]) -> Host:
    site: Site = make_site(streaming(site_data))
    stack = site.for_host("lk2")
    return stack.the(Settings), stack.the(Preflight)


def said(settings: Host, seen: HostState) -> list[tuple[str, bool]]:
    return [(str(found.problem), found.stops) for found in findings(*settings, seen)]


def costs(settings: Host, **cores: float) -> Host:
    """``settings`` of a site that says what some kinds of stream cost."""
    own, preflight = settings
    return dataclasses.replace(own, cpu_cost=dataclasses.replace(own.cpu_cost, **cores)), preflight


def test_four_cores_need_no_word(settings: Host) -> None:
    assert said(settings, host(**HIDDEN)) == []


def test_on_two_cores_the_recommended_cost_would_never_admit_a_stream(settings: Host) -> None:
    found = said(settings, host(cores=["2"], **HIDDEN))
    assert (
        "ingress.cpu_cost.rtmp: is not set, and lk2 has 2 cores: of the recommended 2 for a stream it could never "
        "admit one; say what your streams need here (less than 1.7), or give lk2 4 cores",
        True,
    ) in found
    assert [text.partition(":")[0] for text, _ in found] == [f"ingress.cpu_cost.{k}" for k in ("rtmp", "whip", "url")]


def test_on_three_cores_it_admits_one_when_idle_which_must_be_meant(settings: Host) -> None:
    found = dict(said(settings, host(cores=["3"], **HIDDEN)))
    (rtmp,) = [text for text in found if text.startswith("ingress.cpu_cost.rtmp")]
    assert "it admits one while nothing else runs" in rtmp


def test_a_cost_that_no_host_can_meet_stops_also_when_it_was_said(settings: Host) -> None:
    assert said(costs(settings, rtmp=1.5, whip=1.5, url=1.3), host(cores=["2"], **HIDDEN)) == []
    found = said(costs(settings, rtmp=1.7, whip=1.5, url=1.3), host(cores=["2"], **HIDDEN))
    fact = (
        "ingress.cpu_cost.rtmp: is 1.7, and lk2 has 2 cores, of which 15% are kept free: it would never admit a stream"
    )
    assert found == [(f"{fact}; set it below 1.7, or take a host with more cores", True)]


def test_a_host_that_shows_everybody_the_secrets_of_streams_stops(settings: Host) -> None:
    ((text, stops),) = said(settings, host(hidepid=[]))
    assert stops
    assert text.startswith("ingress.process_list: lk2 shows every account the arguments of all processes, and ingress")
    assert "set it to 'hide'" in text
    own, preflight = settings
    assert said((dataclasses.replace(own, process_list="accept"), preflight), host(hidepid=[])) == []


def test_no_way_to_the_own_public_address_stops(settings: Host) -> None:
    own, preflight = settings
    behind = own, dataclasses.replace(preflight, hairpin="203.0.113.12")
    (text,) = (text for text, stops in said(behind, host(hairpin=["lost"], **HIDDEN)) if stops)
    assert text.startswith("lk2: ingress: what lk2 sends to its public address 203.0.113.12 does not come back")


def test_hosts_with_streams_are_asked_who_sees_their_processes(settings: Host) -> None:
    assert [name for name, _ in probes(settings[0])] == ["preflight.hidepid"]
