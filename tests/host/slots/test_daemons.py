"""Redis, Prometheus and the exporters as units: on at boot, in a tight sandbox, back after a crash."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.site.model import HostStack, Site

EXPOSURE = {  # of systemd-analyze security, where 10 is a bare process
    "livekit-redis.service": 1.5,
    "livekit-node-exporter.service": 2.0,
    "livekit-redis-exporter.service": 2.0,
    "livekit-prometheus.service": 2.0,
}
STOCK = {  # what Debian's package would run instead
    "livekit-redis.service": "redis-server.service",
    "livekit-node-exporter.service": "prometheus-node-exporter.service",
    "livekit-redis-exporter.service": "prometheus-redis-exporter.service",
    "livekit-prometheus.service": "prometheus.service",
}
# within 20 s; a restart is due after two at most
_BACK = """for i in $(seq 100); do
[ $(systemctl show -p MainPID --value {0}) = {1} ] || ! systemctl is-active -q {0} || exit 0
sleep 0.2; done; exit 1"""


@pytest.fixture(params=list(EXPOSURE))
def unit(request: pytest.FixtureRequest, stack: HostStack) -> str:
    here = {
        "livekit-redis.service": stack.redis,
        "livekit-node-exporter.service": stack.exporters,
        "livekit-redis-exporter.service": stack.exporters and stack.exporters.redis_address,
        "livekit-prometheus.service": stack.prometheus,
    }
    if not here[request.param]:
        pytest.skip(f"{stack.host} has no {request.param} in this site")
    name: str = request.param
    return name


def test_it_runs_and_would_start_at_boot(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_the_stock_unit_of_its_package_cannot_start(host: Host, site: Site, unit: str) -> None:
    """Else apt would start a second daemon, or restart one with an upgrade."""
    stock = STOCK[unit].replace("redis-server", f"{site.redis.server}-server")
    assert host.run("systemctl is-enabled %s", stock).stdout.strip() == "masked"


def test_its_sandbox_is_tight(host: Host, unit: str) -> None:
    said = host.check_output("systemd-analyze security --no-pager %s", unit)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert exposure
    assert float(exposure[1]) <= EXPOSURE[unit], said


def test_it_is_not_root_and_nobody_else_reads_its_environment(host: Host, unit: str) -> None:
    pid = host.check_output("systemctl show -p MainPID --value %s", unit)
    assert host.file(f"/proc/{pid}").user != "root"
    as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    assert host.run(f"{as_nobody} cat /proc/{pid}/environ").rc != 0
    assert host.run(f"cat /proc/{pid}/environ").rc == 0, "else the line above would prove nothing"


def test_it_comes_back_after_a_crash(host: Host, unit: str) -> None:
    pid = host.check_output("systemctl show -p MainPID --value %s", unit)
    host.check_output("kill -9 %s", pid)
    host.check_output(_BACK.format(unit, pid))
