"""Whoever asks for upstream's metrics gets an answer of every version that can be installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from livekit_metal.roles.prometheus.alerts.alert import Alert
from livekit_metal.roles.prometheus.alerts.every import ALERTS
from tests.support.upstream.metrics import installable, silent

ROOT = Path(__file__).parents[3]
OWN = sorted(p for p in (ROOT / "roles").glob("*/scripts/*.sh") if re.search(r"livekit_(?!metal_)", p.read_text()))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_no_rule_falls_silent(alert: Alert) -> None:
    assert silent(alert.expr) == [], "another rule for these versions, or none of them"


def test_most_versions_were_read() -> None:
    read = {component: list(versions) for component, versions in installable().items()}
    assert read["livekit-server"] == ["1.13.4", "1.13.5", "1.13.6", "1.13.7", "1.13.8", "1.13.9"]
    assert all(read.values())


def asked(text: str) -> set[str]:
    """The metrics that shell text looks for in what a slot says, its alternatives written out."""
    found = set(re.findall(r"livekit_(?!metal_)[a-z_]+[a-z]", text))
    for head, one, tail in re.findall(r"livekit_\(([a-z|]+)\)(_[a-z]+)()", text):
        found |= {f"livekit_{each}{one}{tail}" for each in head.split("|")}
    return found


@pytest.mark.parametrize("script", OWN, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_what_scripts_on_hosts_look_for_is_there(script: Path) -> None:
    names = asked(script.read_text())
    assert names
    for name in names:
        assert silent(name) == []


def test_who_is_on_a_slot_is_asked_by_these() -> None:
    script = (ROOT / "roles/livekit/scripts/occupancy.sh").read_text()
    assert asked(script) == {"livekit_room_total", "livekit_participant_total"}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("livekit_forward_jitter > 1", "livekit-server 1.13.8: has no livekit_forward_jitter"),
        ("livekit_no_such_thing", "livekit_no_such_thing: no version of any program has it"),
        (
            'sum by (host, warp) (rate(livekit_participant_join_total{state="rtc_success"}[5m]))',
            "livekit-server 1.13.5: livekit_participant_join_total has no label warp",
        ),
        (
            'rate(livekit_session_start_time_ms_bucket{sdk="JS"}[5m])',
            "livekit-server 1.13.5: livekit_session_start_time_ms_bucket has no label sdk",
        ),
        (
            'increase(livekit_participant_join_total{state=~"rtc_failure|rtc_broken"}[5m])',
            "livekit-server 1.13.9: livekit_participant_join_total has no state rtc_broken",
        ),
    ],
)
def test_a_rule_that_would_fall_silent_is_named_with_the_version(expression: str, said: str) -> None:
    assert said in silent(expression)
