"""Faults on a host, several at once that do not explain each other: each alert is seen in Alertmanager, and clears."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

import pytest

from livekit_metal.roles.prometheus.alerts.every import ALERTS
from tests.faults.alerts.conftest import States
from tests.faults.alerts.people import until
from tests.faults.alerts.provoked import TOGETHER, Ground, Provocation
from tests.faults.alerts.seen import TABLE

# What is counted over a quarter of an hour is true for as long after its end; some hold for five minutes before.
FIRES, CLEARS = 900, 1200  # s


@pytest.mark.parametrize("together", TOGETHER, ids="-".join)
def test_an_alert_fires_and_clears(together: Mapping[str, Provocation], ground: Ground, now: States) -> None:
    began: dict[str, float] = {}

    def fired() -> bool:
        there = now()  # kept quiet by another one counts: it is known
        for name in together.keys() & there.keys() - TABLE.fired.keys():
            TABLE.fired[name] = time.monotonic() - began[name]
        return together.keys() <= TABLE.fired.keys()

    with contextlib.ExitStack() as faults:
        for name, each in together.items():
            began[name], TABLE.how[name] = time.monotonic(), each.how
            faults.enter_context(each.fault(ground))
        until(fired, f"{', '.join(together)} fire", FIRES)
    ended = time.monotonic()

    def cleared() -> bool:
        there = now()
        for name in together.keys() - there.keys() - TABLE.cleared.keys():
            TABLE.cleared[name] = time.monotonic() - ended
        return not together.keys() & there.keys()

    until(cleared, f"{', '.join(together)} clear", CLEARS)
    assert together.keys() <= {alert.name for alert in ALERTS}
