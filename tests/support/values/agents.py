"""Fleets of agents for tests without hosts."""

from __future__ import annotations

import copy
from typing import Any

from tests.support.hosts.lab import ROOT
from tests.support.values.sites import SINGLE

ECHO = str(ROOT / "examples/agents/echo-python")
ECHO_NODE = str(ROOT / "examples/agents/echo-node")


def talking(data: dict[str, Any] | None = None, **fleets: dict[str, Any]) -> dict[str, Any]:
    """``data`` with agents on its first host: the echo fleet, or those that are given."""
    made = copy.deepcopy(data or SINGLE)
    first = next(iter(made["hosts"].values()))
    first["roles"] = [*first["roles"], "agents"]
    made["agents"] = {name: {"source": {"python": ECHO}} | fleet for name, fleet in (fleets or {"echo": {}}).items()}
    return made
