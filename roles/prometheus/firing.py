"""Which alerts fire now, as Prometheus says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from livekit_metal.roles.prometheus.settings import Settings
from livekit_metal.runtime.host.state import HostState, StateQuery

_QUESTION = "status.alerts"
_ORDER = ("page", "ticket")  # nobody is told of the others


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires, in the words of its rule."""

    name: str
    severity: str
    since: str  # UTC
    summary: str
    command: str  # to run next


def needs(settings: Settings) -> StateQuery:
    """What to look at on its host."""
    return StateQuery(queries=((_QUESTION, f"curl -sf -m 5 http://{settings.listen}/api/v1/alerts; echo"),))


def firing(seen: HostState) -> tuple[Firing, ...] | None:
    """Those that somebody is told of, the urgent ones first; None when Prometheus does not answer."""
    try:
        told: list[dict[str, Any]] = json.loads("".join(seen.answers.get(_QUESTION, ())))["data"]["alerts"]
        found = [_read(each) for each in told if each["state"] == "firing"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    wanted = (each for each in found if each.severity in _ORDER)
    return tuple(sorted(wanted, key=lambda each: (_ORDER.index(each.severity), each.since, each.name, each.summary)))


def _read(told: dict[str, Any]) -> Firing:
    labels, said = told["labels"], told["annotations"]
    since = str(told["activeAt"])[:19].replace("T", " ") + "Z"
    return Firing(
        str(labels["alertname"]),
        str(labels.get("severity", "")),
        since,
        " ".join(str(said.get("summary", "")).split()),
        str(said.get("command", "")),
    )
