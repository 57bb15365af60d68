"""The part of docs/call-safety.md on conversations with agents, which tests/agents/test_beneath.py measures."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from dataclasses import dataclass

_TITLE = "## Conversations with agents\n"
_TEXT = """
Somebody speaks the tone, and an agent that repeats what it hears (examples/agents, a fleet in Python and one for Node)
sends it back: that is measured as the sound above, beside a control call. Workers of both fleets are on every host of
the site. A second conversation begins in the middle of the change: *answered* is how long it took from its dispatch to
its first sound. Of the two, the row has the one with more of a gap.

    LAB=gaps .venv/bin/python -m lab demo --hosts 3 --inventory inventories/lab_agents.py
    LAB=gaps INVENTORY=inventories/lab_agents.py .venv/bin/pytest tests/agents/test_beneath.py --write-gaps

"""
_HEAD = "| change | hosts | agent | sound: largest gap ms | answered s | measured |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Measured:
    """What became of a conversation: gaps in ms, its own, the control's, and the limit."""

    change: str
    hosts: int
    agent: str
    gap: float
    control: float
    limit: float
    answered: float  # s

    @property
    def line(self) -> str:
        gaps = f"{self.gap:.0f} / {self.control:.0f} / {self.limit:.0f}"
        today = datetime.datetime.now(datetime.UTC).date()
        cells = (self.change, self.hosts, self.agent, gaps, f"{self.answered:.1f}", f"{today}, {os.cpu_count()} cores")
        return f"| {' | '.join(map(str, cells))} |"


def kept(page: str) -> str:
    """This part as a page has it, or ''."""
    _, title, rest = page.partition(_TITLE)
    return title + rest.partition("\n## ")[0].rstrip() + "\n" if title else ""


def written(page: str, measured: Iterable[Measured]) -> str:
    """The page with these rows in it; those of other changes and sizes stay."""
    old = kept(page)
    rows = {_key(line): line for line in old.splitlines() if line.startswith("| ") and not line.startswith("| change")}
    rows |= {_key(each.line): each.line for each in measured}
    order = sorted(rows.values(), key=lambda line: line.split(" | ")[1])  # by size, else as they came
    part = "\n".join([_TITLE + _TEXT + _HEAD, *order]) + "\n"
    return page.replace(old, part) if old else page.rstrip() + "\n\n" + part


def _key(line: str) -> tuple[str, ...]:
    return tuple(line.split(" | ")[:3])
