"""The exporters as they run on a deployed host."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.site.model import HostStack, Site


@pytest.fixture(autouse=True)
def _only_where_they_run(stack: HostStack) -> None:
    if stack.exporters is None:
        pytest.skip("no host of this site has the role prometheus")


def metrics(host: Host, site: Site, stack: HostStack, port: object) -> dict[str, float]:
    """Series -> value, read at the address that Prometheus uses."""
    said = host.check_output("curl -fsS http://%s:%s/metrics", site.inside(stack.host), str(port))
    pairs = (line.rsplit(" ", 1) for line in said.splitlines() if line and line[0] != "#")
    return {series: float(value) for series, value in pairs}


@pytest.fixture
def node(host: Host, site: Site, stack: HostStack) -> dict[str, float]:
    return metrics(host, site, stack, site.exporters.node)


def test_they_listen_for_the_cluster_only_and_on_loopback_where_there_is_none(
    host: Host, site: Site, stack: HostStack
) -> None:
    ports = [site.exporters.node, *([site.exporters.redis] if stack.redis else [])]
    for port in ports:
        lines = host.check_output("ss -Hltn 'sport = :%s'", str(port)).splitlines()
        addresses = [line.split()[3].rpartition(":")[0].strip("[]") for line in lines]
        assert addresses == [site.inside(stack.host)], port


def test_no_collector_is_stopped_by_the_sandbox(host: Host, node: dict[str, float]) -> None:
    success = {re.search('"(.+)"', s)[1]: v for s, v in node.items() if s.startswith("node_scrape_collector_success")}  # type: ignore[index]
    failed = {name for name, value in success.items() if not value}
    excused = set()
    if host.run("systemd-detect-virt -cq").rc == 0:
        excused.add("timex")  # a container is refused adjtimex by its manager, whatever we say
    if not host.file("/proc/pressure/irq").exists:
        excused.add("pressure")  # node_exporter 1.9 gives up without it: a kernel option, not ours
    assert failed <= excused
    assert {"netstat", "softnet", "conntrack", "systemd", "filesystem", "udp_queues"} <= set(success)


def test_what_the_health_of_media_is_judged_by_is_there(node: dict[str, float]) -> None:
    for series in (
        "node_netstat_Udp_RcvbufErrors",
        "node_netstat_Udp6_RcvbufErrors",
        "node_nf_conntrack_entries_limit",
    ):
        assert series in node
    assert any(s.startswith("node_softnet_dropped_total{") for s in node)


def test_what_runs_old_code_is_counted(node: dict[str, float]) -> None:
    """Of units whose processes belong to others and are hidden: what began since the last count comes with the next."""
    assert 'livekit_metal_old_code{unit="livekit-edge.service"}' in node
    assert node["node_textfile_scrape_error"] == 0


def test_the_state_of_our_units_is_told(node: dict[str, float]) -> None:
    active = [
        s for s, value in node.items() if s.startswith("node_systemd_unit_state{") and 'state="active"' in s and value
    ]
    assert any('name="livekit-node-exporter.service"' in s for s in active)
    assert all('name="livekit-' in s for s in active)


def test_file_systems_are_seen_as_the_host_has_them(host: Host, node: dict[str, float]) -> None:
    """In a mount namespace of its own every one would be read-only."""
    (root,) = [v for s, v in node.items() if s.startswith("node_filesystem_readonly{") and 'mountpoint="/"' in s]
    assert bool(root) == ("ro" in host.check_output("findmnt -no OPTIONS /").split(","))
    (size,) = [v for s, v in node.items() if s.startswith("node_filesystem_size_bytes{") and 'mountpoint="/"' in s]
    assert size == int(host.check_output("findmnt -bno SIZE /"))


def test_redis_is_seen_and_denies_its_exporter_nothing(host: Host, site: Site, stack: HostStack) -> None:
    if stack.redis is None:
        pytest.skip(f"{stack.host} has no Redis")
    seen = metrics(host, site, stack, site.exporters.redis)
    assert seen["redis_up"] == 1
    assert seen["redis_memory_max_bytes"] == site.redis.max_memory_mb * 1024 * 1024
    pid = host.check_output("systemctl show -p MainPID --value livekit-redis-exporter")
    assert "NOPERM" not in host.check_output("journalctl _PID=%s --no-pager -o cat", pid)


def test_no_password_is_in_an_argument_or_the_journal(host: Host, site: Site) -> None:
    assert site.vault is not None
    said = host.check_output(
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; journalctl -u 'livekit-*' --no-pager -o cat"
    )
    assert not [v for v in site.vault.every_value() if v in said]
