"""Settings of one host (hosts.NAME.settings): laid over those of the site, and refused where hosts must agree."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.core.fields import options
from livekit_metal.core.ports import PortRange
from livekit_metal.site import loading
from livekit_metal.site.model import HostStack, Role, Site
from tests.support.values.agents import talking
from tests.support.values.sites import CLUSTER, PHONES, RECORDING, streaming

REGIONS = [{"name": "fra", "lat": 50.1, "lon": 8.7}, {"name": "nyc", "lat": 40.7, "lon": -74.0}]
SELECTOR = {"livekit": {"extra": {"node_selector": {"kind": "regionaware", "regions": REGIONS}}}}
EVERY = loading.every_role()


def load(tmp_path: Path, data: dict[str, Any], **own: dict[str, Any]) -> Site:
    """The cluster with ``data``, and for hosts by name settings of their own."""
    made = copy.deepcopy(CLUSTER) | copy.deepcopy(data)
    for host, settings in own.items():
        made["hosts"][host]["settings"] = settings
    return loading.load(made, "cluster", tmp_path)


def refused(tmp_path: Path, data: dict[str, Any], **own: dict[str, Any]) -> list[str]:
    with pytest.raises(SiteError) as caught:
        load(tmp_path, data, **own)
    return [str(each) for each in caught.value.problems]


def test_each_host_has_a_region_of_its_own(tmp_path: Path) -> None:
    where = {"lk1": "fra", "lk2": "nyc", "lk3": "nyc"}
    site = load(tmp_path, SELECTOR, **{host: {"livekit": {"region": region}} for host, region in where.items()})
    for host, region in where.items():
        config = site.for_host(host).livekit.config("a")  # type: ignore[attr-defined]
        assert config["region"] == region
        assert config["node_selector"]["regions"] == REGIONS


def test_a_selector_by_region_is_refused_without_what_it_needs(tmp_path: Path) -> None:
    assert refused(tmp_path, SELECTOR, lk1={"livekit": {"region": "fra"}}, lk3={"livekit": {"region": "sin"}}) == [
        "hosts.lk2: has no livekit.region, and node_selector is regionaware; give it one: "
        "hosts.lk2.settings: {'livekit': {'region': 'fra'}}",
    ], "a host with settings of its own is judged by them, when they are laid over"
    everybody = {host: {"livekit": {"region": "sin"}} for host in CLUSTER["hosts"]}
    (first, *_) = refused(tmp_path, SELECTOR, **everybody)
    assert first == (
        "livekit.extra.node_selector: livekit.region of lk1 is 'sin', which node_selector.regions has not; add it, or "
        "take one of: fra, nyc"
    )
    bare = {"livekit": {"region": "fra", "extra": {"node_selector": {"kind": "regionaware"}}}}
    (problem, *_) = refused(tmp_path, bare)
    assert problem.startswith(
        "livekit.extra.node_selector: is regionaware and has no regions: no node is nearer than another; list them:"
    )


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            {"livekit": {"release": "1.13.6"}},
            "hosts.lk2.settings.livekit.release: must be the same on every host: what runs on one host speaks with "
            "what runs on the others; write it once, in livekit.release",
        ),
        (
            {"livekit": {"turn": {"enabled": False}}},
            "hosts.lk2.settings.livekit.turn.enabled: must be the same on every host: whoever has no other way would "
            "get through to some rooms and not to others; write it once, in livekit.turn.enabled",
        ),
        (
            {"redis": {"port": 6380}},
            "hosts.lk2.settings.redis: lk2 has not the role redis; add it to hosts.lk2.roles, or drop the settings",
        ),
        (
            {"exporters": {"node": 9101}},
            "hosts.lk2.settings.exporters: must be the same on every host: Prometheus asks all of them alike; write "
            "it once, in exporters",
        ),
        (
            {"firewal": {}},
            "hosts.lk2.settings.firewal: is no role; did you mean 'firewall'?",
        ),
        ({"livekit": "fra"}, "hosts.lk2.settings.livekit: is 'fra'; make it a mapping of settings"),
        (
            {"livekit": {"regio": "fra"}},
            "hosts.lk2.settings.livekit.regio: unknown key; did you mean 'region'?",
        ),
        (
            {"livekit": {"drain": {"deadline": "9h"}}},
            "edge.hard_stop_after: with hosts.lk2.settings: is 5h, less than livekit.drain.deadline (9h); raise it: "
            "a reload would cut the WebSockets of a slot that still drains",
        ),
    ],
)
def test_what_cannot_be_one_hosts_alone_is_refused(tmp_path: Path, own: dict[str, Any], said: str) -> None:
    assert refused(tmp_path, {}, lk2=own) == [said]


def test_mappings_are_laid_over_key_by_key_and_lists_whole(tmp_path: Path) -> None:
    extra = {"rtc": {"packet_buffer_size_video": 500}}
    data = {"livekit": {"webhooks": ["https://a.example.org/"], "limits": {"num_tracks": 7}, "extra": extra}}
    own = {"livekit": {"webhooks": ["https://b.example.org/"], "limits": {"bytes_per_sec": 5}}}
    site = load(tmp_path, data, lk2=own)
    one, two = (site.for_host(host).livekit for host in ("lk1", "lk2"))  # type: ignore[attr-defined]
    assert (one.limits.num_tracks, one.limits.bytes_per_sec) == (7, 0)
    assert (two.limits.num_tracks, two.limits.bytes_per_sec) == (7, 5)
    assert (one.webhooks, two.webhooks) == (("https://a.example.org/",), ("https://b.example.org/",))
    assert two.extra == one.extra == extra


def test_ports_of_one_host_are_moved_in_all_that_follows_the_registry(tmp_path: Path) -> None:
    site = load(tmp_path, {}, lk2={"livekit": {"ice_tcp": "7981-7983", "slots": ["x", "y"]}})
    assert {p.name for p in site.ports("lk2") if p.owner == "livekit" and 7981 <= p.range.first <= 7983} == {
        "ice-tcp-x",
        "ice-tcp-y",
    }
    assert not [p for p in site.ports("lk1") if 7981 <= p.range.first <= 7983]
    targets = site.for_host("lk1").prometheus.targets  # type: ignore[attr-defined]
    assert {t.slot for t in targets if t.host == "lk2" and t.slot} == {"x", "y"}
    assert {t.slot for t in targets if t.host == "lk3" and t.slot} == {"a", "b", "c"}


def test_a_clash_with_a_hosts_own_ports_is_found(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, {}, lk2={"livekit": {"ice_tcp": "7869-7871"}})
    assert "overlaps edge/peer (tcp 7870) on lk2" in problem


def test_openings_of_the_firewall_may_be_of_one_host(tmp_path: Path) -> None:
    opening = {"port": 8448, "purpose": "federation of Matrix"}
    site = load(tmp_path, {}, lk3={"firewall": {"open": [opening]}})
    assert [len(site.for_host(host).firewall.open) for host in site.hosts] == [0, 0, 1]  # type: ignore[attr-defined]
    (problem,) = refused(tmp_path, {}, lk3={"firewall": {"open": [opening | {"port": 7880}]}})
    assert "edge/http" in problem


def test_names_of_turn_may_be_each_hosts_own(tmp_path: Path) -> None:
    data = {"edge": {"tls": "internal", "domain": "lk.example.org"}}
    own = {f"lk{i}": {"livekit": {"turn": {"domain": f"turn{i}.example.org"}}} for i in (1, 2)}
    site = load(tmp_path, data, **own)
    for host, names in (("lk1", {"turn1.example.org"}), ("lk2", {"turn2.example.org"}), ("lk3", set())):
        served = {name for name in site.served[host].names if name.startswith("turn")}
        assert served == names == ({site.for_host(host).edge.turn_name} - {""})  # type: ignore[attr-defined]
    own["lk2"] = own["lk1"]
    said = refused(tmp_path, data, **own)
    assert any("leads to" in each for each in said), said


def test_what_is_shared_exists() -> None:
    """A contract: each path that a role shares is an option of it."""
    for role in EVERY:
        for path in role.everywhere:
            cls: Any = role.settings
            for word in filter(None, path.split(".")):
                if word == "*":
                    cls = {f.name: f for f in dataclasses.fields(cls)}[cls.rest].type
                    break
                assert word in options(cls), f"{role.name}.{path}"
                cls = type(options(cls)[word].default)


def _another(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, PortRange):
        return f"{value.first + 2000}-{value.last + 2000}" if value.first < value.last else value.first + 2000
    return None


def _cases() -> Iterator[Any]:
    for role in EVERY:
        for name, field in options(role.settings).items():
            if name in role.everywhere or "" in role.everywhere or (value := _another(field.default)) is None:
                continue
            yield pytest.param(role, name, value, id=f"{role.name}.{name}")


_TOGETHER: set[tuple[str, str]] = set()  # what cannot be another by itself


@pytest.mark.parametrize(("role", "name", "value"), list(_cases()))
def test_what_is_one_hosts_alone_changes_no_other(tmp_path: Path, role: Role[Any], name: str, value: object) -> None:
    """But for Prometheus, which asks for what is there: a change of one host would deploy others, or part them."""
    data = talking(streaming(copy.deepcopy(CLUSTER) | copy.deepcopy(PHONES) | {"egress": RECORDING}))
    for host in ("lk1", "lk2"):
        roles = data["hosts"][host]["roles"]
        data["hosts"][host]["roles"] = [*roles, *(each for each in ("egress", "sip", "agents") if each not in roles)]
    at = "lk1" if role.name == "prometheus" else "lk2"
    other = "lk2" if at == "lk1" else "lk1"
    before = loading.load(data, "cluster", tmp_path)
    before.opened.persist()  # the same passwords in either
    data["hosts"][at]["settings"] = {role.name: {name: value}}
    if (role.name, name) in _TOGETHER:
        with pytest.raises(SiteError, match=f"hosts.{at}.settings.{role.name}"):
            loading.load(data, "cluster", tmp_path)
        return
    after = loading.load(data, "cluster", tmp_path)
    assert _differing(after.for_host(other), before.for_host(other)) == set()
    assert role.name in _differing(after.for_host(at), before.for_host(at))


def _differing(one: HostStack, two: HostStack) -> set[str]:
    """The options that differ, as role or role.option."""
    found = set()
    for role in EVERY:
        mine, theirs = getattr(one, role.name), getattr(two, role.name)
        assert (mine is None) == (theirs is None)
        for f in dataclasses.fields(role.settings) if mine is not None else ():
            if f.name not in ("targets", "vault", "state", "secrets") and getattr(mine, f.name) != getattr(
                theirs, f.name
            ):
                found |= {role.name}
    return found
