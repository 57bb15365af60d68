"""What the exporters role plans from what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.exporters.settings import METRICS_UNIT, NODE_UNIT, REDIS_UNIT, Settings
from livekit_metal.roles.exporters.tasks import _metrics, _node, _redis, activate
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.wanted import as_wanted, look, names

NODE = [f"start {NODE_UNIT}", f"{NODE_UNIT} answers"]
METRICS = [
    "write livekit-host-metrics.service, host-metrics.sh, 40-limits.conf, 50-stamp.conf",
    f"enable {METRICS_UNIT}",
    f"start {METRICS_UNIT}",
    f"{METRICS_UNIT} answers",
]
REDIS = [f"start {REDIS_UNIT}", f"{REDIS_UNIT} answers"]


def exporters(site: Site, host: str) -> Settings:
    found = site.for_host(host).exporters
    assert found is not None
    return found


@pytest.fixture
def both(cluster: Site) -> Settings:
    return exporters(cluster, "lk1")


def host(settings: Settings) -> HostState:
    return as_wanted(_metrics(settings)[0], _node(settings)[0], _redis(settings)[0])


def plan(settings: Settings, seen: HostState) -> list[str]:
    return names(activate(settings).plan(seen))


def test_a_fresh_host_gets_both(both: Settings) -> None:
    assert plan(both, HostState()) == [
        *METRICS,
        "write livekit-node-exporter.service, 40-limits.conf, 50-stamp.conf",
        f"enable {NODE_UNIT}",
        *NODE,
        "write livekit-redis-exporter.service, redis-exporter.env, 40-limits.conf, 50-stamp.conf",
        f"enable {REDIS_UNIT}",
        *REDIS,
    ]


def test_a_host_without_redis_gets_the_one_of_the_host(cluster: Site) -> None:
    node = "write livekit-node-exporter.service, 40-limits.conf, 50-stamp.conf"
    wanted = [*METRICS, node, f"enable {NODE_UNIT}", *NODE]
    assert plan(exporters(cluster, "lk2"), HostState()) == wanted


def test_a_host_as_wanted_is_left_alone(both: Settings) -> None:
    assert plan(both, host(both)) == []


def test_another_port_restarts_that_exporter_only(both: Settings) -> None:
    moved = dataclasses.replace(both, node=PortRange(9200, 9200))
    todo = activate(moved).plan(host(both))
    assert names(todo) == ["write livekit-node-exporter.service, 50-stamp.conf", *NODE]
    assert todo.summary == "node-exporter restarted"


def test_another_password_restarts_the_one_that_has_it(cluster: Site, both: Settings) -> None:
    assert cluster.vault is not None
    cluster.vault.rotate_password("redis-monitor")
    wanted = ["write redis-exporter.env, 50-stamp.conf", *REDIS]
    assert plan(exporters(cluster, "lk1"), host(both)) == wanted


def test_an_exporter_that_has_ended_is_started(both: Settings) -> None:
    seen = host(both)
    seen.units[REDIS_UNIT]["ActiveState"] = "failed"
    assert plan(both, seen) == REDIS


def test_a_run_proves_each_by_what_only_it_gives(
    fake_run: Callable[..., FakeRun], cluster: Site, both: Settings
) -> None:
    fresh = look(HostState())
    done = fake_run(lambda: one_by_one("exporters", activate(both)), answer=lambda _h, c: fresh if "sh -s" in c else "")
    proofs = [c for c in done.commands["lk1"] if "curl" in c]
    assert [("node_uname_info{" in c, "redis_up 1" in c) for c in proofs] == [(True, False), (False, True)]
    assert cluster.vault is not None
    assert not [v for v in cluster.vault.every_value() if v in "".join(done.commands["lk1"])]


def test_an_exporter_without_its_metric_fails_the_host(fake_run: Callable[..., FakeRun], both: Settings) -> None:
    fresh = look(HostState())

    def answer(_host: str, command: str) -> str | None:
        if "sh -s" in command:
            return fresh
        return None if "curl" in command and "redis_up 1" in command else ""

    done = fake_run(lambda: one_by_one("exporters", activate(both)), answer=answer)
    assert done.results["lk1"].word == "failed"
    assert "waiting for: redis_up 1 at http://10.0.0.11:9121/metrics (" in done.results["lk1"].why
