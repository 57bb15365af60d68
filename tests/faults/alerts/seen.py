"""The table of alerts: how each was provoked, seconds until it fired, until it cleared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from livekit_metal.roles.prometheus.alerts.every import ALERTS
from tests.faults.alerts.others import NOT


@dataclass
class Table:
    how: dict[str, str] = field(default_factory=dict)
    fired: dict[str, float] = field(default_factory=dict)
    cleared: dict[str, float] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        yield f"{'alert':24} {'fired':>7} {'cleared':>8}  how, or why not"
        for name in (alert.name for alert in ALERTS):
            fired, cleared = (f"{of[name]:.0f} s" if name in of else "-" for of in (self.fired, self.cleared))
            yield f"{name:24} {fired:>7} {cleared:>8}  {self.how.get(name) or NOT.get(name) or 'not in this run'}"


TABLE = Table()
