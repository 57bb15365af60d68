"""A dashboard and its panels, and how they become what Grafana (10 or newer) reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA = 39  # of Grafana 10.4; newer ones read it, and write their own
_WIDE, _HIGH = 24, 8  # cells of the grid
_SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """``queries`` are PromQL with what a line is called ({{host}} is a label); a rate is over [$__rate_interval].

    Where a board has hosts to choose from, its queries select by host=~"$host". ``unit`` is Grafana's name of it.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str
    why: str
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 12
    most: float | None = None  # where the axis ends at least, of shares


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard. ``of_hosts``: hosts can be chosen."""

    name: str  # of its file, and in its address
    title: str
    panels: tuple[Panel, ...]
    of_hosts: bool = True

    @property
    def json(self) -> Mapping[str, Any]:
        """The dashboard as Grafana reads it from a file: nothing in it is of one Grafana."""
        return {
            "uid": f"livekit-metal-{self.name}",
            "title": f"LiveKit: {self.title}",
            "tags": ["livekit-metal"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "links": [
                {
                    "type": "dashboards",
                    "title": "LiveKit",
                    "tags": ["livekit-metal"],
                    "asDropdown": True,
                    "keepTime": True,
                }
            ],
            "templating": {"list": list(self._variables())},
            "annotations": {"list": [_CHANGES]},
            "panels": list(self._placed()),
        }

    def _variables(self) -> Iterator[Mapping[str, Any]]:
        yield {"type": "datasource", "name": "source", "label": "Prometheus", "query": "prometheus", "hide": 0}
        if self.of_hosts:
            yield {
                "type": "query",
                "name": "host",
                "label": "Host",
                "datasource": _SOURCE,
                "query": {"query": "label_values(up, host)", "refId": "host"},
                "refresh": 2,
                "sort": 1,
                "multi": True,
                "includeAll": True,
                "allValue": ".+",
                "current": {"text": ["All"], "value": ["$__all"]},
            }

    def _placed(self) -> Iterator[Mapping[str, Any]]:
        """The panels from left to right, from above to below."""
        x = y = high = 0
        for number, panel in enumerate(self.panels, start=1):
            if x + panel.width > _WIDE:
                x, y, high = 0, y + high, 0
            height = _HIGH if panel.kind == "timeseries" else _HIGH // 2
            yield _panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": height})
            x, high = x + panel.width, max(high, height)


# A line at each change of a host: the time of the last one, from its audit log.
CHANGES = "livekit_metal_last_change_seconds * 1000"
_CHANGES = {
    "name": "Deploys, rollbacks, drains",
    "datasource": _SOURCE,
    "enable": True,
    "iconColor": "purple",
    "expr": CHANGES,
    "useValueForTime": True,
    "titleFormat": "{{host}}",
    "textFormat": "a change ended",
    "step": "60s",
}


def _panel(panel: Panel, number: int, grid: Mapping[str, int]) -> Mapping[str, Any]:
    targets = [
        {"refId": chr(ord("A") + i), "datasource": _SOURCE, "expr": expr, "legendFormat": legend, "range": True}
        for i, (expr, legend) in enumerate(panel.queries)
    ]
    lines = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
    bounds = {"min": 0} | ({"max": panel.most} if panel.most is not None else {})
    stat = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none", "graphMode": "area"}
    drawn = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.why,
        "datasource": _SOURCE,
        "gridPos": grid,
        "targets": targets,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, **bounds, "custom": lines if panel.kind == "timeseries" else {}},
            "overrides": [],
        },
        "options": drawn if panel.kind == "timeseries" else stat,
    }
