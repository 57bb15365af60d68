"""Preflight's word on hosts that fall short of the load that the site names."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from livekit_metal.roles.preflight.settings import Demand
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import host, said
from tests.support.values.sites import CLUSTER


def test_a_host_that_falls_short_of_the_load_is_a_word_only(make_site: Callable[[dict[str, Any]], Site]) -> None:
    load = {"rooms": 90, "participants": 20}
    settings = make_site({**copy.deepcopy(CLUSTER), "load": load}).for_host("lk2").preflight
    short, stops = said(settings, host(cores=["2"]))[0]
    assert not stops
    assert "lk2: load: has 2 cores, not " in short
    assert "3906 MB of memory, not " in short
    assert "a link of 1000 Mbit/s, not " in short
    assert "for 30 rooms of 20; give it more" in short
    unknown = said(settings, host(cores=["200"], memory=["900000000"], speed=["-1"]))
    assert unknown == [], "a virtual link does not say how fast it is"


def test_memory_for_a_recording_is_asked_for_before_anything_is_changed(
    make_site: Callable[[dict[str, Any]], Site],
) -> None:
    settings = make_site(copy.deepcopy(CLUSTER)).for_host("lk2").preflight
    web = Demand(path="egress.records", what="web", memory_mb=900)
    settings = dataclasses.replace(settings, demands=(web,))
    assert said(settings, host(memory=["1900000"])) == []
    short, stops = said(settings, host(memory=["1800000"]))[0]
    assert stops
    assert short == (
        "egress.records: web takes 900 MB of memory besides 900 MB for the rest, lk2 has 1757 MB; "
        "take it off the list, or give the host more"
    )
