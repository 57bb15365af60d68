"""Every rule fires by what it is for, and not by what looks like it: promtool is the witness."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from livekit_metal.roles.prometheus.alerts.alert import Alert
from livekit_metal.roles.prometheus.alerts.deploys import DEAD_MAN
from livekit_metal.roles.prometheus.alerts.every import ALERTS, inhibitions
from livekit_metal.roles.prometheus.thresholds import Thresholds
from tests.render.alerts.cases import CASES
from tests.render.alerts.series import Case, of

Program = Callable[[str, str], str]
RUNBOOK = Path(__file__).parents[3] / "docs/runbook.md"


def test_every_alert_but_the_dead_mans_switch_has_a_case_and_no_other() -> None:
    assert sorted(CASES) == sorted({alert.name for alert in ALERTS} - {DEAD_MAN})


def judged(case: Case, alert: Alert, folder: Path) -> Path:
    """A test of promtool's: the rule alone, with each series."""
    rules = folder / f"{alert.name}.rules.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [alert.rule(Thresholds())]}]}))
    tests = [
        {
            "name": word,
            "interval": case.each,
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}}) > 0',
                    "eval_time": case.at,
                    "exp_samples": [{"labels": "{}", "value": 1}] if word == "fires" else [],
                }
            ],
        }
        for word, series in (("fires", case.firing), ("is quiet", case.quiet))
    ]
    test = folder / f"{alert.name}.test.yml"
    text = {"rule_files": [str(rules)], "evaluation_interval": case.each, "tests": tests}
    test.write_text(yaml.safe_dump(text))
    return test


@pytest.mark.parametrize("alert", [a for a in ALERTS if a.name != DEAD_MAN], ids=lambda alert: alert.name)
def test_it_fires_by_what_it_is_for_and_not_by_what_looks_like_it(
    alert: Alert, tmp_path: Path, program: Program
) -> None:
    command = [program("promtool", "prometheus"), "test", "rules", judged(CASES[alert.name], alert, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_jobs_of_a_host_that_died_are_told_with_their_fleet(tmp_path: Path, program: Program) -> None:
    """Also the first there ever were; beside those that a worker has counted."""
    died = of("redispatch", "livekit_agents_jobs_lost_total", 'fleet="echo"')
    crashed = of("agents-echo", "livekit_agents_jobs_lost_total", 'slot="a"')
    alert = next(each for each in ALERTS if each.name == "AgentJobsLost")
    test = judged(Case({died: "0x25 3x35", crashed: "_x25 1x35"}, {died: "3x60"}), alert, tmp_path)
    wanted = yaml.safe_load(test.read_text())
    (asked,) = wanted["tests"][0]["promql_expr_test"]
    asked["expr"] = 'count by (component, host, fleet) (ALERTS{alertname="AgentJobsLost",alertstate="firing"})'
    common = 'component="agents-echo",host="lk1"'
    asked["exp_samples"] = [
        {"labels": f"{{{common}}}", "value": 1},
        {"labels": f'{{{common},fleet="echo"}}', "value": 1},
    ]
    test.write_text(yaml.safe_dump(wanted))
    command = [program("promtool", "prometheus"), "test", "rules", test]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_told_names_the_host_where_there_is_one() -> None:
    for alert in ALERTS:
        assert ("$labels.host" in alert.summary) == alert.of_host, alert.name
        for word in re.findall(r"\$labels\.(\w+)", alert.summary + alert.command):
            assert word in _labels(alert), f"{alert.name}: {word} is no label of what it finds"


def _labels(alert: Alert) -> set[str]:
    """Those that series of its case have, as far as the expression keeps them."""
    series = " ".join(CASES[alert.name].firing) if alert.name in CASES else ""
    kept = {word for by in re.findall(r"by \(([^)]*)\)", alert.expr) for word in by.split(", ")}
    found = set(re.findall(r'(\w+)="', series))
    return found & kept if kept and alert.expr.startswith(("sum", "max", "100 * sum")) else found


def test_every_alert_has_its_entry_in_the_runbook_and_no_entry_is_of_none() -> None:
    entries = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert entries == [alert.name for alert in ALERTS], "in this order"


def test_names_are_known_where_one_keeps_another_quiet() -> None:
    names = {alert.name for alert in ALERTS}
    for alert in ALERTS:
        assert set(alert.explained_by) <= names - {alert.name}, alert.name
    rules: list[dict[str, Any]] = list(inhibitions())
    assert {"equal": ["host"]}.items() <= next(r for r in rules if "HostDown" in r["source_matchers"][0]).items()
    assert "equal" not in next(r for r in rules if "RedisDown" in r["source_matchers"][0]), "Redis is of the site"


def test_nobody_is_kept_quiet_in_a_circle() -> None:
    """Two that explain each other would both be told to nobody."""
    why = {alert.name: set(alert.explained_by) for alert in ALERTS}
    for name, first in why.items():
        seen: set[str] = set()
        left = set(first)
        while left:
            seen |= left
            left = set().union(*(why[each] for each in left)) - seen
        assert name not in seen, name
