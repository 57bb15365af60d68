"""An alert, and how it becomes a rule of Prometheus."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from string import Template
from typing import Literal

from livekit_metal.roles.prometheus.thresholds import Thresholds

# Of the same host: what is true of a host explains what is seen there. Of the site: what all hosts depend on.
HOST_DOWN, IN_MAINTENANCE, REDIS_DOWN = "HostDown", "InMaintenance", "RedisDown"
STATUS = "pyinfra INVENTORY procedures/status.py"
DOCTOR = "pyinfra INVENTORY procedures/doctor.py"


def grown(counter: str, within: str, by: str) -> str:
    """What was counted ``within`` that time. A counter that began meanwhile counts from 0.

    increase() takes its first value for what was there before: of a process that has just started, and of a kind of
    failure that there was none of, it sees neither the first one nor a burst.
    """
    return f"sum by ({by}) (({counter} unless {counter} offset {within}) or increase({counter}[{within}]))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """``expr`` is PromQL with names of thresholds ($loss); what is told may have {{ $labels.host }} and {{ $value }}.

    ``severity``: somebody is woken by a "page", looks at a "ticket" in the morning, and never gets a "none": that is
    for other alerts (the dead man's switch, and what only explains).
    """

    name: str
    expr: str
    hold: str  # how long it must be true
    severity: Literal["page", "ticket", "none"]
    summary: str
    consequence: str  # for callers
    command: str  # to run next
    explained_by: tuple[str, ...] = ()  # while one of these fires, nobody is told of this one
    of_host: bool = True  # has a label host

    def rule(self, thresholds: Thresholds) -> dict[str, object]:
        """The rule, as Prometheus reads it."""
        values = dataclasses.asdict(thresholds)
        values = {name: f"{value:g}" for name, value in values.items() if isinstance(value, float)}
        return {
            "alert": self.name,
            "expr": Template(self.expr).safe_substitute(values),  # $1 of label_replace is left as it is
            "for": Template(self.hold).safe_substitute(values),
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "consequence": self.consequence,
                "command": self.command,
                "runbook": f"docs/runbook.md#{self.name.lower()}",
            },
        }
