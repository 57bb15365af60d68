"""A deploy that changes every role is killed at its steps, and finished by the next one."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.core.ports import PortRange
from livekit_metal.releases import catalogue
from livekit_metal.runtime.artifacts.fetch import fetch
from livekit_metal.site.model import HostStack, Site
from tests.faults.conftest import Change, Choice
from tests.support.calls import witness
from tests.support.hosts.deploys import deploy, unchanging
from tests.support.hosts.killed_deploys import killed, settled
from tests.support.hosts.redis_forwarder import UNIT, unused

# One of each role, where the most is half done; with --every-step everywhere.
STEPS = (
    "kernel: ",
    "firewall: load",
    f"redis: start {UNIT}",
    "edge: ",
    "livekit: push",
    "exporters: ",
    "prometheus: ",
)
KEY = "net.ipv4.udp_rmem_min"  # a kernel setting that a container may change too


class Wanted(NamedTuple):
    """An inventory that gives every role something to do on every host, and the number that its values come from."""

    inventory: Path
    new: int

    @staticmethod
    def version(new: int) -> str:
        return f"1.13.5-own{new}"

    @staticmethod
    def network(new: int) -> str:
        return f"198.51.{new % 250}.{new // 250}"


@pytest.fixture
def everything(change: Change, site: Site, hosts: Mapping[str, Host], first: Host) -> Iterator[Wanted]:
    """Deployed by a user with sudo. Its values are new each time, so that there is something to do each time."""
    asked = catalogue.find("livekit-server", site.livekit.release, site.livekit.source, path="livekit.release")
    program = fetch(asked, next(iter(site.hosts.values())).arch, lock=site.lock)  # as an own build: it must be pushed
    new = int(time.time()) % 1000
    settings: Mapping[str, Any] = {
        "hosts": {name: {"ssh": {"user": "operator"}} for name in site.hosts},
        "kernel": {"extra": {KEY: str(5000 + new)}},
        "firewall": {"admin": [*map(str, site.firewall.admin), f"{Wanted.network(new)}/32"]},
        "redis": {"max_memory_mb": 1000 + new, "port": 21000 + new},
        "edge": {"max_connections": 8000 + new},
        "livekit": {
            "log_level": "debug",
            "release": Wanted.version(new),
            "source": "file",
            "file": str(program.path),
            "sha256": program.sha256,
        },
        "exporters": {"node": 20000 + new},
        "prometheus": {"retention_days": 10 + new},
    }
    before = {name: host.check_output(f"sysctl -n {KEY}") for name, host in hosts.items()}
    yield Wanted(change(settings), new)
    assert deploy().status == 0
    unused(first)
    assert deploy().status == 0
    for name, host in hosts.items():  # a key that the site no longer names keeps its value until the next boot
        host.check_output(f"sysctl -w {KEY}={before[name]}")


def test_a_change_that_is_killed_is_finished_by_the_next_run(
    everything: Wanted, hosts: Mapping[str, Host], site: Site, steps: Choice
) -> None:
    points = killed(everything.inventory, lambda: [settled(host) for host in hosts.values()], steps(*STEPS))
    for step in STEPS:
        assert any(point.startswith(step) for point in points), f"no run was killed at '{step}': {points}"
    unused(hosts[site.with_role("redis")[0]])
    assert deploy(everything.inventory).status == 0
    unchanging(everything.inventory)
    for name, host in hosts.items():
        _runs(everything.new, host, site.for_host(name))
        _server_runs(everything.new, host)
    moved = dataclasses.replace(
        site, redis=dataclasses.replace(site.redis, port=PortRange.parse(21000 + everything.new))
    )
    assert witness.redis_limit(hosts[site.with_role("redis")[0]], moved) == 1000 + everything.new


def _runs(new: int, host: Host, stack: HostStack) -> None:
    """What the kernel and the daemons themselves say (files alone would prove no restart)."""
    assert host.check_output(f"sysctl -n {KEY}") == str(5000 + new)
    assert Wanted.network(new) in host.check_output("nft list ruleset")
    if stack.edge:
        metrics = host.check_output(f"curl -s http://{stack.edge.endpoints['metrics']}/metrics")
        assert f"haproxy_process_max_connections {8000 + new}" in metrics
    if stack.exporters:
        assert "node_uname_info" in host.check_output(f"curl -s http://{stack.exporters.address}:{20000 + new}/metrics")
    if stack.prometheus:
        flags = host.check_output(f"curl -s http://{stack.prometheus.listen}/api/v1/status/flags")
        retention = json.loads(flags)["data"]["storage.tsdb.retention.time"]
        assert int(retention[:-1]) * {"d": 1, "w": 7}[retention[-1]] == 10 + new  # whole weeks are told as weeks


def _server_runs(new: int, host: Host) -> None:
    """The one process of livekit-server is of the wanted program and configuration."""
    (pid,) = _servers(host)
    arguments = host.check_output(f"tr '\\0' ' ' < /proc/{pid}/cmdline").split()
    assert f"/{Wanted.version(new)}-" in arguments[0]
    config = yaml.safe_load(host.check_output("cat %s", arguments[arguments.index("--config") + 1]))
    assert config["logging"]["level"] == "debug"


def _servers(host: Host, within: float = 30) -> list[str]:
    """Processes of livekit-server, once those that drain have ended."""
    found: list[str] = []

    def one() -> bool:
        found[:] = host.run("pgrep -x livekit-server").stdout.split()
        return len(found) == 1

    wait_until(one, within, every=0.2)
    return found
