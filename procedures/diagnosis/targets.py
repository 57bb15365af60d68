"""Whether Prometheus gets what it asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from procedures.diagnosis.rows import Row, failed
from roles._kit.look import Seen

if TYPE_CHECKING:
    from stack.compose import Stack


def targets(stack: Stack, seen: Seen) -> Iterator[Row]:
    """A row per host whose metrics do not arrive, one for all that do."""
    assert stack.prometheus is not None
    try:
        told: list[dict[str, Any]] = json.loads("".join(seen.probes["doctor.targets"]))["data"]["activeTargets"]
    except (ValueError, KeyError):
        fact, remedy = "Prometheus does not answer", "journalctl -u livekit-prometheus; then deploy"
        yield failed("prometheus", stack.host, stack.host, fact, remedy)
        return
    health = {target["scrapeUrl"]: target for target in told}
    good = 0
    for target in stack.prometheus.targets:
        found = health.get(f"http://{target.endpoint}{target.path}", {})
        if found.get("health") in ("up", "unknown"):  # unknown: not asked yet
            good += 1
            continue
        why = found.get("lastError") or "Prometheus does not know of it"
        fact = f"no metrics of {target.job} on {target.host}: {why}"
        remedy = f"see what listens on {target.endpoint}, and the firewall; deploy when Prometheus does not know of it"
        yield failed("targets", target.host, stack.host, fact, remedy)
    if good == len(stack.prometheus.targets):
        yield Row(check="targets", vantage=stack.host, said=f"{good} are up")
