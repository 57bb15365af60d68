"""Prometheus as it runs on a deployed host."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
import yaml
from testinfra.host import Host

from livekit_metal.roles.prometheus.alerts.every import ALERTS
from livekit_metal.site.model import HostStack, Site

METRIC = r"(?<!\$)\b(?:up|(?:haproxy|livekit|node|redis|prometheus|alertmanager)_[a-z_0-9A-Z]+)"
# Of daemons that are not on this host, of a drain, of what counts from its first event, and of a clock in a container.
ELSEWHERE = (
    "livekit_(agents|egress|ingress|sip)_.*|livekit_metal_(kept_files|drain_.*)|livekit_edge_certificate_.*|alertmanager_.*"
    "|livekit_nack_total|prometheus_remote_storage_samples_failed_total|node_timex_.*|node_nf_conntrack_.*"
)


@pytest.fixture(autouse=True)
def _only_where_it_runs(stack: HostStack) -> None:
    if stack.prometheus is None:
        pytest.skip(f"{stack.host} has no Prometheus in this site")


def api(host: Host, site: Site, path: str) -> Any:
    said = host.check_output("curl -fsS http://127.0.0.1:%s/api/v1/%s", str(site.prometheus.port), path)
    return json.loads(said)["data"]


def test_it_listens_on_loopback_only(host: Host, site: Site) -> None:
    lines = host.check_output("ss -Hltn 'sport = :%s'", str(site.prometheus.port)).splitlines()
    assert [line.split()[3] for line in lines] == [f"127.0.0.1:{site.prometheus.port}"]


def test_every_metrics_port_of_the_site_is_scraped_and_answers(host: Host, site: Site) -> None:
    expected = {f"http://127.0.0.1:{site.prometheus.port}/metrics"}
    for name in site.hosts:
        for port in site.ports(name):
            base = f"http://{site.inside(name)}:{port.range}"
            if port.owner == "exporters" or (port.owner, port.name) in (("edge", "metrics"), ("alertmanager", "web")):
                expected.add(f"{base}/metrics")
            if (port.owner, port.name) == ("edge", "metrics"):
                expected |= {f"{base}/{s.component}/{s.slot}" for s in site.for_host(name).edge.scraped}
                expected |= {f"{base}/certificate"} if site.edge.encrypted else set()
    end = time.monotonic() + 2 * site.prometheus.interval + 10  # a target that was down a moment ago is asked again
    while True:
        targets = api(host, site, "targets")["activeTargets"]
        healthy = {t["scrapeUrl"] for t in targets if t["health"] == "up"}
        if healthy == expected or time.monotonic() > end:
            break
        time.sleep(0.5)
    assert {t["scrapeUrl"] for t in targets} == expected
    assert not {t["scrapeUrl"]: t["lastError"] or t["health"] for t in targets if t["health"] != "up"}


def test_series_carry_host_and_slot_and_no_stamp(host: Host, site: Site) -> None:
    up = [s["metric"] for s in api(host, site, "query?query=up")["result"]]
    assert {m["host"] for m in up if m["job"] == "node"} == set(site.hosts)
    slots = {(h, s) for h in site.with_role("livekit") for s in site.livekit.slots}
    assert {(m["host"], m["slot"]) for m in up if m["job"] == "livekit"} == slots
    assert not [m for m in up if any("stamp" in label for label in m)]


def test_it_has_loaded_what_the_site_says(host: Host, site: Site) -> None:
    flags = api(host, site, "status/flags")
    assert flags["storage.tsdb.retention.time"] in (f"{site.prometheus.retention_days}d", _weeks(site))
    assert flags["storage.tsdb.path"] == f"{site.paths.state}/prometheus"
    loaded = yaml.safe_load(api(host, site, "status/config")["yaml"])
    there = yaml.safe_load(host.file(f"{site.paths.config}/prometheus/prometheus.yml").content_string)
    assert loaded["global"]["scrape_interval"] == f"{site.prometheus.interval}s"
    for one, other in zip(loaded["scrape_configs"], there["scrape_configs"], strict=True):
        assert one["static_configs"] == other["static_configs"]


def test_every_rule_is_loaded_and_can_be_judged(host: Host, site: Site) -> None:
    end = time.monotonic() + 2 * site.prometheus.interval + 10
    while True:
        rules = [rule for group in api(host, site, "rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] != "unknown" for rule in rules) or time.monotonic() > end:
            break
        time.sleep(0.5)
    assert {rule["name"] for rule in rules} == {alert.name for alert in ALERTS} - set(site.prometheus.quiet)
    assert not {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"}


def test_every_metric_of_a_rule_is_there_but_those_of_what_does_not_run_here(host: Host, site: Site) -> None:
    there = set(api(host, site, "label/__name__/values"))
    named = {name for alert in ALERTS for name in re.findall(METRIC, alert.expr)}
    assert len(named) > 40
    assert sorted(name for name in named - there if not re.fullmatch(ELSEWHERE, name)) == []


def _weeks(site: Site) -> str:
    """Prometheus prints whole weeks as such."""
    return f"{site.prometheus.retention_days // 7}w" if site.prometheus.retention_days % 7 == 0 else ""
