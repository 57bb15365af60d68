"""The tables behind ``extra``: what is free, what versions differ in; rules, keys and settings fit together."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.releases import compatibility, known_keys
from livekit_metal.releases.extra import Rules, rules
from livekit_metal.site.host import Host
from livekit_metal.site.loading import site_class
from livekit_metal.site.model import Site
from tests.support.values.sites import ALTERNATIVE, PHONES, RECORDING, SINGLE, streaming

MakeSite = Callable[[dict[str, Any]], Site]
COMPONENTS = {"livekit": "livekit-server", "egress": "egress", "ingress": "ingress", "sip": "sip"}


@pytest.mark.parametrize(
    ("role", "value"),
    [
        ("livekit", {"logging": {"json": False}}),
        ("livekit", {"logging": {"component_levels": {"transport.pion": "info"}, "pion_level": "warn"}}),
        ("livekit", {"room": {"enabled_codecs": [{"mime": "audio/opus"}], "create_room_timeout": "5s"}}),
        ("livekit", {"rtc": {"turn_servers": [{"host": "turn.example.org", "port": 3478, "protocol": "udp"}]}}),
        ("livekit", {"room": {"room_configurations": {"mine": {"empty_timeout": 5}}}}),
        ("livekit", {"sip": {}, "rtc": {"sctp_min_cwnd": None}}),
        ("egress", {"chrome_flags": {"disable-gpu": True}, "storage": {"s3": {"tagging": "a=b"}}, "io_workers": 6}),
        ("ingress", {"rtc_config": {"interfaces": {"includes": ["eth0"]}}, "logging": {"json": False}}),
        ("sip", {"media_timeout_initial": "60s", "codecs": {"G722": False}, "rtp_draining_idle_timeout": "-1s"}),
    ],
)
def test_what_nothing_decides_is_free(make_site: MakeSite, every: dict[str, Any], role: str, value: object) -> None:
    every[role] = {**every.get(role, {}), "extra": value}
    own: Any = getattr(make_site(every).for_host("lk1"), role)
    config = own.config(own.slots[0])
    assert _holds(config, value), config


def _holds(found: Any, asked: Any) -> bool:
    if isinstance(asked, Mapping):
        return all(name in found and _holds(found[name], each) for name, each in asked.items())
    return bool(found == asked)


def test_a_key_of_a_later_release_names_it(make_site: MakeSite, every: dict[str, Any]) -> None:
    every["livekit"] = {"release": "1.13.5", "extra": {"rtc": {"enable_warp": True}}}
    with pytest.raises(
        SiteError, match=r"rtc\.enable_warp: is not known to livekit-server 1\.13\.5; remove it, or choose 1"
    ):
        make_site(every)
    every["livekit"]["release"] = "1.13.6"
    make_site(every)


def test_of_a_release_that_nobody_has_read_a_new_key_passes_and_a_typo_does_not(
    make_site: MakeSite, every: dict[str, Any]
) -> None:
    every["egress"] = RECORDING | {"release": "1.15.0", "extra": {"video_encoder_threads": 2}}
    make_site(every)
    every["egress"]["extra"] = {"io_worker": 2}
    with pytest.raises(
        SiteError, match=r"egress\.extra\.io_worker: is not known to egress 1\.15\.0; did you mean 'io_wor"
    ):
        make_site(every)


@pytest.mark.parametrize("component", COMPONENTS.values())
def test_rules_are_about_keys_that_upstream_has(component: str) -> None:
    known = {key for version in known_keys.versions(component) for key in known_keys.table(component, version).keys}
    for key in _keys(rules(component)):
        assert any(each == key or each.startswith((f"{key}.", f"{key}[]")) for each in known), key


@pytest.mark.parametrize("component", COMPONENTS.values())
def test_settings_that_decide_are_there(component: str) -> None:
    for key, setting in rules(component).ours.items():
        first, _, rest = setting.partition(".")
        if first == "hosts":
            assert rest.removeprefix("NAME.") in {f.name for f in dataclasses.fields(Host)}, key
        elif not setting.startswith("python"):
            at: Any = site_class()
            for name in setting.split("."):
                hint = get_type_hints(at)[name]
                at = next((each for each in get_args(hint) if dataclasses.is_dataclass(each)), hint)


@pytest.mark.parametrize("data", [SINGLE, ALTERNATIVE], ids=["single", "alternative"])
def test_every_key_that_is_written_is_known_and_has_an_owner(make_site: MakeSite, data: dict[str, Any]) -> None:
    """But for what is free: there ``extra`` wins."""
    sip = PHONES["sip"] | data.get("sip", {})
    whole = streaming(copy.deepcopy(data | {"egress": RECORDING, "sip": sip}))
    whole["hosts"]["lk1"]["roles"] += ["egress", "sip"]
    stack = make_site(whole).for_host("lk1")
    for role, component in COMPONENTS.items():
        own: Any = getattr(stack, role)
        known = known_keys.table(component, own.release).keys
        for key in _leaves("", compatibility.known(component, own.release, own.own_config(own.slots[0]))):
            decided = rules(component).said(key.removesuffix("[]"))
            assert decided or key.removesuffix("[]") in rules(component).free["keys"], f"{role}: {key}"
            assert any(each == key or each.startswith(f"{key}.") for each in known), f"{role}: {key}"


def test_what_is_written_about_versions_agrees_with_their_structs() -> None:
    component = "livekit-server"
    written: Mapping[str, str] = compatibility._table()["keys"][component]
    for version in known_keys.versions(component):
        keys = known_keys.table(component, version).keys
        for key, since in written.items():
            there = any(each == key or each.startswith((f"{key}.", f"{key}[]")) for each in keys)
            assert there == (version in compatibility.Span(since=since)), f"{key} of {version}"


def _keys(all_of: Rules) -> Iterator[str]:
    yield from (*all_of.ours, *all_of.fixed, *all_of.listening, *all_of.dead, *all_of.values, *all_of.free["keys"])


def _leaves(at: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(f"{at}.{name}".lstrip("."), each)
    elif isinstance(value, (list, tuple)):
        for each in value[:1]:
            yield from _leaves(f"{at}[]", each)
    else:
        yield at
