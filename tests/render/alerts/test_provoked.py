"""Every alert is provoked on a lab host by a test, or there is a reason why not."""

from __future__ import annotations

from livekit_metal.roles.prometheus.alerts.every import ALERTS
from tests.faults.alerts.others import ELSEWHERE, NOT
from tests.faults.alerts.provoked import TOGETHER
from tests.faults.alerts.seen import Table


def test_every_alert_is_provoked_or_says_why_not() -> None:
    provoked = [name for group in TOGETHER for name in group]
    told = [*provoked, *ELSEWHERE, *NOT]
    assert sorted(told) == sorted(alert.name for alert in ALERTS)
    assert all(len(reason) > 10 for reason in NOT.values())


def test_the_table_has_a_line_for_each() -> None:
    table = Table(how={"RedisDown": "it is stopped"}, fired={"RedisDown": 33.4}, cleared={"RedisDown": 12.0})
    lines = list(table.lines())
    assert len(lines) == 1 + len(ALERTS)
    (redis,) = (line for line in lines if line.startswith("RedisDown "))
    assert redis.split(None, 5) == ["RedisDown", "33", "s", "12", "s", "it is stopped"]
    (clock,) = (line for line in lines if line.startswith("ClockWrong "))
    assert "a container cannot set the clock" in clock
