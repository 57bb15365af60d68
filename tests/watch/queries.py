"""Every query of every rule and panel, as Prometheus is asked it, and what of it cannot return data on a lab."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from livekit_metal.roles.prometheus.alerts.deploys import DEAD_MAN
from livekit_metal.roles.prometheus.alerts.every import ALERTS
from livekit_metal.roles.prometheus.dashboards.board import CHANGES
from livekit_metal.roles.prometheus.dashboards.every import BOARDS
from livekit_metal.roles.prometheus.thresholds import Thresholds
from tests.render.metrics.known import selectors

_VARIABLES = {"$__rate_interval": "1m", "$host": ".+"}  # as Grafana has them with every host chosen
_IN_BRACES = r'\{(?:[^}"]|"(?:[^"\\]|\\.)*")*\}|"(?:[^"\\]|\\.)*"'
_COMPARED = r"(?P<sign>[=!]=|[<>]=?)(?!\s*bool\b)"


@dataclass(frozen=True)
class Query:
    """``expr`` has data whenever what it compares has, not only where the comparison holds."""

    where: str
    expr: str

    @property
    def selectors(self) -> dict[str, str]:
        """Each series that it names -> the metric."""
        return {f"{name}{chosen}": name for name, chosen in selectors(self.expr)}

    def __str__(self) -> str:
        return self.where


def without_thresholds(expr: str) -> str:
    """A rule that is true of nothing returns nothing. This returns 0 or 1 of whatever the rule looks at.

    What must not be there beside it (unless) is asked whether it could be: whether the labels of both meet.
    """
    return re.sub(
        rf"{_IN_BRACES}|{_COMPARED}|\bunless\b",
        lambda part: f"{part['sign']} bool" if part["sign"] else "and" if part[0] == "unless" else part[0],
        expr,
    )


def queries() -> Iterator[Query]:
    for alert in ALERTS:
        if alert.name != DEAD_MAN:
            yield Query(f"rule {alert.name}", without_thresholds(str(alert.rule(Thresholds())["expr"])))
    yield Query("changes, across all panels", CHANGES)
    for board in BOARDS:
        for panel in board.panels:
            for expr, legend in panel.queries:
                text = expr
                for name, value in _VARIABLES.items():
                    text = text.replace(name, value)
                yield Query(f"{board.name}: {panel.title}, {legend}", text)


# Metrics, and queries by where they stand, that return nothing on this lab, with the reason.
EXCEPTIONS: Mapping[str, str] = {
    "livekit_fir_total": "clients of today ask for pictures by PLI (RFC 4585), as all of this load do",
    "node_timex_offset_seconds": "a container has no clock of its own, so the node exporter does not ask for it",
    "node_timex_sync_status": "likewise",
    "deploys: Processes with old libraries, {{host}} {{unit}}": "no update replaced what a process of the lab runs",
}

# Of daemons that are stand-ins where there are no ARTIFACTS; livekit_node_… is of livekit-server too.
OF_STAND_INS = ("livekit_egress_", "livekit_sip_")
