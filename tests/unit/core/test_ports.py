"""Port ranges, overlaps and the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import PortRange, Reach, merged
from livekit_metal.site.model import Site


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("60000-50000", "60000-50000 runs backwards; write it as '50000-60000'"),
        ("", "is ''; write a port (7881) or a range ('50000-60000')"),
        ("5-", "is '5-'; write a port (7881) or a range ('50000-60000')"),
        (True, "is True; write a port (7881) or a range ('50000-60000')"),
        ("0-5", "0-5 is outside 1-65535; choose ports inside"),
        (70000, "70000 is outside 1-65535; choose ports inside"),
    ],
)
def test_what_is_no_range_is_told(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        PortRange.parse(value)
    assert str(caught.value) == said


def test_a_range_is_cut_without_loss() -> None:
    whole = PortRange.parse("50000-60000")
    parts = whole.split(3)
    assert sum(map(len, parts)) == len(whole)
    assert [p.first for p in parts[1:]] == [p.last + 1 for p in parts[:-1]]
    assert (parts[0].first, parts[-1].last) == (50000, 60000)


def test_a_range_too_small_for_its_slots_is_refused() -> None:
    with pytest.raises(ValueError, match=r"7881-7882 has 2 ports for 3 slots; widen it"):
        PortRange(7881, 7882).split(3)


def test_merging_joins_neighbours_and_overlaps() -> None:
    ranges = [PortRange(5, 6), PortRange(1, 2), PortRange(3, 3), PortRange(6, 9), PortRange(20, 20)]
    assert merged(ranges) == (PortRange(1, 3), PortRange(5, 9), PortRange(20, 20))


def test_an_overlap_names_both_ports_and_both_settings(
    site_data: dict[str, Any], make_site: Callable[[dict[str, Any]], Site]
) -> None:
    site_data["edge"] = {"http": 7881}
    with pytest.raises(SiteError) as caught:
        make_site(site_data)
    assert str(caught.value).splitlines()[0] == (
        "livekit.ice_tcp: livekit/ice-tcp-a (tcp 7881) overlaps edge/http (tcp 7881) on lk1; "
        "move one of them (livekit.ice_tcp or edge.http)"
    )


def test_every_port_of_a_site_has_one_owner(any_site: Site) -> None:
    for host in any_site.hosts:
        names = [(p.owner, p.name) for p in any_site.ports(host)]
        assert len(names) == len(set(names))


def test_the_alternative_site_moves_every_port_but_ssh(single: Site, alternative: Site) -> None:
    before = {(p.proto, n) for p in single.ports("lk1") for n in range(p.range.first, p.range.last + 1)}
    moved = [p for p in alternative.ports("lk1") if p.reach is not Reach.ADMIN]
    assert not [str(p) for p in moved for n in range(p.range.first, p.range.last + 1) if (p.proto, n) in before]
