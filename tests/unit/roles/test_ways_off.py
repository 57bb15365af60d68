"""Ways of media that a site does not want: TURN, ICE over TCP (row N3 of what people have)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.call.join_info import Announced
from livekit_metal.call.server import Node
from livekit_metal.call.stun import Address
from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import PortRange
from livekit_metal.diagnosis.from_client.calls import paths
from livekit_metal.roles.edge.tasks import _config
from livekit_metal.roles.firewall.rules import rules
from livekit_metal.runtime.probe.call import Vantage
from livekit_metal.runtime.probe.reachability import MediaTarget, Reachability, words
from livekit_metal.site.model import Site

Make = Callable[[dict[str, Any]], Site]
OFF = {"turn": {"enabled": False}, "ice_over_tcp": False}
TURN = {"turn-udp", "turn-tls", "turn-relay"}


def kinds(site: Site) -> set[str]:
    return {port.name.rpartition("-")[0] for port in site.ports("lk1") if port.owner == "livekit"}


def test_what_is_off_is_in_no_configuration_and_has_no_port(make_site: Make, site_data: dict[str, Any]) -> None:
    usual, site = make_site(site_data), make_site(site_data | {"livekit": OFF})
    assert kinds(usual) - kinds(site) == TURN | {"ice-tcp"}
    stack = site.for_host("lk1")
    own = stack.livekit.config("a")
    assert own["turn"] == {"enabled": False}
    assert own["rtc"]["tcp_port"] == 0
    found = rules(stack.firewall)
    assert found.relayed.sources == ()
    assert not [ports for ports, _ in (*found.tcp, *found.udp) if "7881" in ports or "3478" in ports]
    assert "3478-3480" not in found.untracked
    assert not {r for r in stack.kernel.reserved if r.overlaps(PortRange(30000, 39999))}


def test_each_is_off_by_itself(make_site: Make, site_data: dict[str, Any]) -> None:
    usual = kinds(make_site(site_data))
    assert usual - kinds(make_site(site_data | {"livekit": {"ice_over_tcp": False}})) == {"ice-tcp"}
    assert usual - kinds(make_site(site_data | {"livekit": {"turn": {"enabled": False}}})) == TURN


def test_a_port_that_is_not_bound_is_free_for_others(make_site: Make, site_data: dict[str, Any]) -> None:
    site_data["exporters"] = {"node": 7882}
    with pytest.raises(SiteError, match="overlaps"):
        make_site(site_data)
    make_site(site_data | {"livekit": OFF})


def test_a_name_for_turn_that_is_off_is_refused(make_site: Make, site_data: dict[str, Any]) -> None:
    turn = {"enabled": False, "domain": "{host}.turn.example.org"}
    with pytest.raises(SiteError) as caught:
        make_site(site_data | {"edge": {"tls": "internal"}, "livekit": {"turn": turn}})
    said = "livekit.turn.domain: is set and enabled is False; drop it, or leave TURN on"
    assert said in str(caught.value).splitlines()


def test_the_edge_leads_to_no_turn(make_site: Make, site_data: dict[str, Any]) -> None:
    edge = make_site(site_data | {"edge": {"tls": "internal"}, "livekit": OFF}).for_host("lk1").edge
    assert edge.turn_servers == {}
    assert not [line for line in _config(edge).text.splitlines() if line.startswith(("frontend turn", "backend turn"))]


def _told(*tcp: Address) -> Announced:
    """What a server announces that has no TURN."""
    return Announced(Node(id="ND", version="1"), "room", (("192.0.2.1", 50000),), tcp, ())


def test_the_doctor_asks_for_the_ways_that_there_must_be() -> None:
    assert paths(_told(), tcp=False) == ("udp",)
    assert paths(_told(), tcp=True) == ("udp", "tcp"), "that it is missing is a fault"
    assert paths(_told(("192.0.2.1", 7881)), tcp=False) == ("udp", "tcp")


def test_a_missing_tcp_is_not_blamed_where_there_is_none() -> None:
    goal, found = MediaTarget("192.0.2.1", PortRange(50000, 50003), 0), Reachability(50000, 0, back=False, tcp=False)
    said = words(Vantage("controller", (), "/x"), "", goal, found)
    assert "UDP from the controller does not reach 192.0.2.1:50000" in said
    assert words(Vantage("controller", (), "/x"), "", goal, Reachability(0, 0, back=False, tcp=False)) == ""
