"""All alerts, in the order of docs/runbook.md, and which of them keep others quiet."""

from __future__ import annotations

from collections.abc import Mapping

from livekit_metal.roles.prometheus.alerts.alert import REDIS_DOWN, Alert
from livekit_metal.roles.prometheus.alerts.calls import CALLS
from livekit_metal.roles.prometheus.alerts.deploys import DEPLOYS
from livekit_metal.roles.prometheus.alerts.hosts import HOSTS
from livekit_metal.roles.prometheus.alerts.media import MEDIA

GROUPS: Mapping[str, tuple[Alert, ...]] = {"calls": CALLS, "media": MEDIA, "hosts": HOSTS, "deploys": DEPLOYS}
ALERTS = tuple(alert for group in GROUPS.values() for alert in group)
_OF_THE_SITE = (REDIS_DOWN,)  # explains what is seen on any host


def inhibitions() -> tuple[dict[str, object], ...]:
    """Alertmanager's inhibit_rules: one fault, one message."""
    found: list[dict[str, object]] = []
    for source in (each.name for each in ALERTS):
        if not (quiet := [each.name for each in ALERTS if source in each.explained_by]):
            continue
        rule: dict[str, object] = {
            "source_matchers": [f'alertname="{source}"'],
            "target_matchers": [f'alertname=~"{"|".join(quiet)}"'],
        }
        found.append(rule if source in _OF_THE_SITE else rule | {"equal": ["host"]})
    return tuple(found)
