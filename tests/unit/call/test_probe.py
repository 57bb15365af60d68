"""What `livekit.probe` means for the rest of a site: who calls whom, what must be installed, what preflight asks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.site.footprint import footprint
from livekit_metal.site.model import Site
from tests.support.values.sites import CLUSTER, SINGLE

MakeSite = Callable[[dict[str, Any]], Site]


def probing(data: dict[str, Any], probe: str, **lk2: str) -> dict[str, Any]:
    """The site with calls made from ``probe``; ``lk2``: settings of that host."""
    made = copy.deepcopy(data) | {"livekit": {"probe": probe}}
    if lk2:
        made["hosts"]["lk2"] |= lk2
    return made


def test_a_peer_needs_a_second_host(make_site: MakeSite) -> None:
    with pytest.raises(SiteError) as caught:
        make_site(probing(SINGLE, "peer"))
    assert str(caught.value) == (
        "livekit.probe: is 'peer' and only lk1 has the role livekit; set it to controller or host, or give another "
        "host the role"
    )


@pytest.mark.parametrize(("host", "peers"), [("lk1", ("lk2", "lk3")), ("lk2", ("lk3", "lk1")), ("lk3", ("lk1", "lk2"))])
def test_the_next_host_in_the_order_of_the_inventory_is_the_first_peer(
    cluster: Site, host: str, peers: tuple[str, ...]
) -> None:
    livekit = cluster.for_host(host).livekit
    assert livekit is not None
    assert livekit.peers == peers


@pytest.mark.parametrize(("probe", "expected"), [("controller", False), ("host", True), ("peer", True)])
def test_python_is_installed_where_calls_are_made(make_site: MakeSite, probe: str, expected: bool) -> None:
    data = probing(CLUSTER, probe)
    data["hosts"]["lk4"] = {"address": "192.0.2.14", "cluster": "10.0.0.14", "roles": ["prometheus"]}
    site = make_site(data)
    assert [("python3" in site.for_host(name).base.needed) for name in ("lk1", "lk4")] == [expected, False]
    assert [bool(site.for_host(name).preflight.calls) for name in ("lk1", "lk4")] == [expected, False]


@pytest.mark.parametrize(
    ("probe", "public", "expected"),
    [
        ("host", "203.0.113.12", "203.0.113.12"),
        ("host", "", ""),
        ("host", "192.0.2.12", ""),  # its own
        ("peer", "203.0.113.12", "203.0.113.12"),
        ("controller", "203.0.113.12", "203.0.113.12"),
    ],
)
def test_the_hairpin_is_asked_for_only_where_there_is_nat(
    make_site: MakeSite, probe: str, public: str, expected: str
) -> None:
    assert make_site(probing(CLUSTER, probe, public=public)).for_host("lk2").preflight.hairpin == expected


def test_what_makes_calls_goes_with_the_rest(make_site: MakeSite) -> None:
    site = make_site(probing(SINGLE, "host"))
    assert site.paths.releases in footprint(site, site.for_host("lk1")).directories
