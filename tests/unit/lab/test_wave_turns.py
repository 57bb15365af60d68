"""How the tests of waves read off the hosts' journals who went with whom."""

from __future__ import annotations

from tests.waves.turns import Turn, all_at_once, waves

ONE_BY_ONE = {"lk1": Turn(0, 9), "lk2": Turn(10, 19), "lk3": Turn(20, 29)}
TOGETHER = {"lk1": Turn(0, 9), "lk3": Turn(10, 21), "lk2": Turn(11, 19)}


def test_hosts_that_do_not_overlap_went_one_after_the_other() -> None:
    assert waves(ONE_BY_ONE) == [{"lk1"}, {"lk2"}, {"lk3"}]
    assert not all_at_once(ONE_BY_ONE.values())


def test_hosts_that_overlap_went_together() -> None:
    assert waves(TOGETHER) == [{"lk1"}, {"lk2", "lk3"}]
    assert all_at_once([TOGETHER["lk2"], TOGETHER["lk3"]])


def test_a_wave_that_begins_before_the_last_one_is_over_is_none() -> None:
    late = TOGETHER | {"lk4": Turn(20, 30)}
    assert waves(late) == [{"lk1"}, {"lk2", "lk3", "lk4"}]
    assert not all_at_once([late["lk2"], late["lk3"], late["lk4"]])
