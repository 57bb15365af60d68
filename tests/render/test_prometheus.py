"""Prometheus' files: read by promtool and systemd, compared with the site."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.prometheus.alerts.every import ALERTS
from livekit_metal.roles.prometheus.settings import Settings
from livekit_metal.roles.prometheus.tasks import _service, _stamped
from livekit_metal.runtime.host.files import File
from livekit_metal.site.model import Site
from tests.support.values.sites import SINGLE


@pytest.fixture
def prometheus(any_site: Site) -> Settings:
    found = any_site.for_host("lk1").prometheus
    assert found is not None
    return _stamped(found)


def file(settings: Settings, name: str) -> File:
    return next(f for f in _service(settings).all_files if f.path.endswith(f"/{name}"))


def config(settings: Settings) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(file(settings, "prometheus.yml").text)
    return read


def scraped(settings: Settings) -> set[tuple[str, str, str, str, str]]:
    """(job, endpoint, path, host, slot) of every target but Prometheus itself."""
    return {
        (job["job_name"], endpoint, labels["__metrics_path__"], labels["host"], labels.get("slot", ""))
        for job in config(settings)["scrape_configs"]
        if job["job_name"] != "prometheus"
        for group in job["static_configs"]
        for labels in [group["labels"]]
        for endpoint in group["targets"]
    }


def test_every_metrics_port_of_the_registry_is_scraped_and_no_other(any_site: Site, prometheus: Settings) -> None:
    expected = set()
    for name in any_site.hosts:
        for port in any_site.ports(name):
            at = f"{any_site.inside(name)}:{port.range}"
            if port.owner == "exporters":
                expected.add((port.name, at, "/metrics", name, ""))
            if (port.owner, port.name) == ("edge", "metrics"):
                expected.add(("edge", at, "/metrics", name, ""))
                expected |= {("certificate", at, "/certificate", name, "")} if any_site.edge.encrypted else set()
                expected |= {("livekit", at, f"/livekit/{s}", name, s) for s in any_site.livekit.slots}
    assert scraped(prometheus) == expected
    assert {port[0] for port in expected} - {"certificate"} == {"node", "redis", "edge", "livekit"}


def test_prometheus_looks_at_itself_and_carries_the_stamp_on_no_series(prometheus: Settings) -> None:
    (own,) = [j for j in config(prometheus)["scrape_configs"] if j["job_name"] == "prometheus"]
    (group,) = own["static_configs"]
    assert group["targets"] == [f"127.0.0.1:{prometheus.port}"]
    assert group["labels"] == {"__lkm_stamp": prometheus.stamp}, "labels with two underscores are dropped"


def test_the_interval_is_that_of_the_site(any_site: Site, prometheus: Settings) -> None:
    interval = f"{any_site.prometheus.interval}s"
    said = {"scrape_interval": interval, "evaluation_interval": interval, "external_labels": {"site": "test"}}
    assert config(prometheus)["global"] == said


def test_every_target_has_its_component(prometheus: Settings) -> None:
    found = {
        (job["job_name"], group["labels"]["component"])
        for job in config(prometheus)["scrape_configs"]
        if job["job_name"] != "prometheus"
        for group in job["static_configs"]
    }
    assert found >= {("node", "node"), ("redis", "redis"), ("edge", "edge"), ("livekit", "livekit")}
    assert {component for job, component in found if job == "certificate"} <= {"edge"}


def test_where_a_phone_call_goes_is_not_kept_and_no_series_is_lost_by_it(phones: Site) -> None:
    own = phones.for_host("lk1").prometheus
    assert own
    jobs = {job["job_name"]: job for job in config(_stamped(own))["scrape_configs"]}
    actions = jobs["sip"]["metric_relabel_configs"]
    assert actions[-1] == {"action": "labeldrop", "regex": "to|__tmp_peer"}
    assert [a["target_label"] for a in actions if a.get("source_labels")] == ["__tmp_peer", "peer"]
    assert not [name for name, job in jobs.items() if name != "sip" and "metric_relabel_configs" in job]


def test_a_threshold_is_in_its_rule_and_an_alert_that_is_not_wanted_in_none(
    make_site: Callable[[dict[str, Any]], Site],
) -> None:
    data = copy.deepcopy(SINGLE) | {"prometheus": {"alerts": {"loss": 2.5}, "quiet": ["Jitter"]}}
    own = make_site(data).for_host("lk1").prometheus
    assert own
    groups = yaml.safe_load(file(_stamped(own), "rules.yml").text)["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert rules["PacketLoss"]["expr"].endswith("> 2.5")
    assert "Jitter" not in rules
    assert len(rules) == len(ALERTS) - 1
    assert "$1" in rules["NodeNotServing"]["expr"], "of label_replace: no threshold"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quiet": ["Jiter"]}, "prometheus.quiet[0]: no alert is called 'Jiter'; did you mean 'Jitter'?"),
        ({"alerts": {"loss": 0}}, "prometheus.alerts.loss: is 0; write more than 0"),
        ({"alerts": {"cpu": 100}}, "prometheus.alerts.cpu: is 100; write a share below 100"),
        ({"disk_mb": 10}, "prometheus.disk_mb: is 10; give it 512 MB or more"),
        (
            {"remote_write": [{"url": "https://x.example", "authorization": {"credentials": {"secret": "metrics-x"}}}]},
            "prometheus.remote_write: there is no secret 'metrics-x'; "
            "store it: python -m procedures.secrets INVENTORY set metrics-x",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    make_site: Callable[[dict[str, Any]], Site], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SiteError) as refused:
        make_site(copy.deepcopy(SINGLE) | {"prometheus": settings})
    assert message in str(refused.value)


def test_any_other_configuration_has_another_stamp(any_site: Site, prometheus: Settings) -> None:
    settings = any_site.for_host("lk1").prometheus
    assert settings is not None
    assert _stamped(settings).stamp == prometheus.stamp
    assert _stamped(dataclasses.replace(settings, interval=16)).stamp != prometheus.stamp
    assert _stamped(dataclasses.replace(settings, targets=settings.targets[1:])).stamp != prometheus.stamp


@pytest.mark.parametrize("interval", [1, 60])
def test_promtool_accepts_it(
    prometheus: Settings, interval: int, tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    path = tmp_path / "prometheus.yml"
    rules = tmp_path / "rules.yml"
    rules.write_text(file(prometheus, "rules.yml").text)
    text = file(dataclasses.replace(prometheus, interval=interval), "prometheus.yml").text
    path.write_text(text.replace(prometheus.rules, str(rules)))
    check = [program("promtool", "prometheus"), "check", "config", path]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_unit_is_sound_and_tight(
    any_site: Site, prometheus: Settings, verify_unit: Callable[[str, str], float]
) -> None:
    unit = file(prometheus, "livekit-prometheus.service").text
    assert verify_unit("livekit-prometheus.service", unit) <= 2.0
    words = unit.replace("\\\n", " ").split()
    assert f"--web.listen-address=127.0.0.1:{any_site.prometheus.port}" in words
    assert f"--storage.tsdb.path={any_site.paths.state}/prometheus" in words
    assert f"--storage.tsdb.retention.time={any_site.prometheus.retention_days}d" in words
    assert f"--storage.tsdb.retention.size={any_site.prometheus.disk_mb}MB" in words
    assert f"--config.file={any_site.paths.config}/prometheus/prometheus.yml" in words
