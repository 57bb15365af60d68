"""Where the watcher is, what it gets, and what a deploy does about it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.ports import Reach
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.redispatch import tasks
from livekit_metal.roles.redispatch.on_host import losses
from livekit_metal.roles.redispatch.settings import EVENTS, UNIT, Settings
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.footprint import footprint
from livekit_metal.site.model import Site
from tests.roles.wanted import as_wanted, names
from tests.support.values.agents import talking
from tests.support.values.sites import SINGLE

Make = Callable[[dict[str, Any]], Site]
URL = "http://127.0.0.1:9650/"


def data(*, again: bool = True, base: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    found = talking(base, echo={}, sales={"health": "9620-9622", "agent_name": "Sales"})
    found["agents"] |= {"redispatch": again}
    return found | more


@pytest.fixture
def own(make_site: Make) -> Settings:
    return make_site(data()).for_host("lk1").the(Settings)


def webhook(site: Site, host: str = "lk1") -> Any:
    return site.for_host(host).the(Livekit).config("a").get("webhook")


def test_livekit_server_tells_it_beside_the_sites_own(make_site: Make) -> None:
    alone = make_site(data())
    assert webhook(alone)["urls"] == [URL]
    assert webhook(alone)["api_key"] in alone.opened.keys_of_nodes
    both = make_site(data(livekit={"webhooks": ["https://app.example/hook"]}))
    assert webhook(both)["urls"] == ["https://app.example/hook", URL]
    assert "participant_left" in webhook(alone)["filter_params"]["include_events"], "and little else: each is logged"
    assert set(EVENTS) == {*losses.LEFT, losses.JOINED}, "as the program has them"
    assert "filter_params" not in webhook(both), "the application gets what it got"
    assert both.for_host("lk1").the(Livekit).webhooks == ("https://app.example/hook",), "the doctor asks of these"


def test_a_site_without_redispatch_has_nothing_of_it(make_site: Make) -> None:
    for site in (make_site(data(again=False)), make_site({**SINGLE, "agents": {"redispatch": True}})):
        stack = site.for_host("lk1")
        assert webhook(site) is None
        assert not [port for port in stack.ports if port.owner == "redispatch"]
        assert UNIT not in footprint(site, stack).units
        assert stack.preflight.ends == (UNIT,), "what is left of it is nothing to be told of"


@pytest.mark.parametrize(
    "given", [{"include_events": ["room_started"]}, {"exclude_events": ["participant_left"]}], ids=["only", "never"]
)
def test_events_that_are_kept_from_it_are_refused(make_site: Make, given: dict[str, list[str]]) -> None:
    hook = {"webhooks": ["https://app.example/hook"], "extra": {"webhook": {"filter_params": given}}}
    make_site(data(again=False, livekit=hook))
    with pytest.raises(SiteError, match=r"livekit\.extra\.webhook\.filter_params: keeps .*participant_left"):
        make_site(data(livekit=hook))


def test_it_is_where_livekit_server_is_whichever_hosts_have_workers(make_site: Make, site_data: dict[str, Any]) -> None:
    base = copy.deepcopy(site_data)
    site = make_site(data(base=base))
    for name, host in site.hosts.items():
        stack = site.for_host(name)
        found = stack.of(Settings)
        assert (found is not None and found.wanted) == ("livekit" in host.roles), name
        if found:
            assert found.fleets == {"echo": "echo", "Sales": "sales"}, "every fleet, on any host"
            assert webhook(site, name)["urls"] == [URL]


def test_its_port_is_of_this_host_alone_and_may_be_another(make_site: Make) -> None:
    site = make_site(data(redispatch={"port": 9700}))
    (port,) = (port for port in site.ports("lk1") if port.owner == "redispatch")
    assert (port.reach, port.range.first) == (Reach.LOCAL, 9700)
    assert webhook(site)["urls"] == ["http://127.0.0.1:9700/"]
    with pytest.raises(SiteError, match=r"redispatch\.port: is a range"):
        make_site(data(redispatch={"port": "9700-9702"}))


def test_prometheus_asks_it_through_the_edge(make_site: Make) -> None:
    site = make_site(data())
    targets = [each for each in site.for_host("lk1").prometheus.targets if each.job == "redispatch"]
    assert [(each.path, each.slot, each.host) for each in targets] == [("/redispatch", "", "lk1")]


def test_it_knows_every_key_that_livekit_server_may_sign_with(make_site: Make) -> None:
    site = make_site(data())
    own = site.for_host("lk1").the(Settings)
    (config,) = (file for file in tasks.service(own).files if file.path == own.config_file)
    said = json.loads(config.text)
    assert set(said["keys"]) == set(site.opened.keys_of_nodes)
    assert said["api_secret"] not in tasks.service(own).files[0].text


def test_what_is_as_wanted_is_left_running(own: Settings) -> None:
    service = tasks.service(own)
    assert names(tasks.activate(own).plan(as_wanted(service))) == []
    assert f"start {UNIT}" in names(tasks.activate(own).plan(HostState()))


def test_when_nobody_wants_it_any_more_it_goes(own: Settings) -> None:
    assert names(tasks.end(own).plan(HostState())) == []
    assert names(tasks.end(own).plan(HostState(files={f"{UNITS}/{UNIT}": "x"}))) == [f"end {UNIT}"]
    assert own.directory in footprint_directories(own)


def footprint_directories(own: Settings) -> list[str]:
    """Those below which all of it is: what removes a host takes paths.config away."""
    return sorted({file.path.rpartition("/")[0] for file in tasks.service(own).files})
