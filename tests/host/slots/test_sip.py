"""livekit-sip as it runs on a deployed host."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.site.model import HostStack

EXPOSURE = 1.6  # of systemd-analyze security, where 10 is a bare process


@pytest.fixture(autouse=True)
def _only_where_it_runs(stack: HostStack) -> None:
    if stack.sip is None:
        pytest.skip(f"{stack.host} takes no phone calls in this site")


@pytest.fixture
def slot(host: Host, stack: HostStack) -> str:
    assert stack.sip
    return host.check_output(f"sed -n 's/^sip //p' {stack.sip.config_root}/active.map")  # type: ignore[no-any-return]


@pytest.fixture
def unit(slot: str) -> str:
    return f"livekit-sip@{slot}.service"


@pytest.fixture
def pid(host: Host, unit: str) -> str:
    return host.check_output("systemctl show -p MainPID --value %s", unit)  # type: ignore[no-any-return]


def test_only_the_active_slot_runs(host: Host, unit: str) -> None:
    running = host.check_output("systemctl list-units --plain --no-legend --state=active 'livekit-sip@*'").splitlines()
    assert [line.split()[0] for line in running] == [unit]
    assert host.service(unit).is_enabled


def test_its_own_process_has_the_ports_of_its_slot(host: Host, stack: HostStack, slot: str, pid: str) -> None:
    assert stack.sip
    owned = [line for line in host.check_output("ss -Hlntup").splitlines() if f"pid={pid}," in line]
    bound = {(line.split()[0], line.split()[4]) for line in owned}
    sip, address = stack.sip.part("sip", slot), stack.sip.address
    assert {("udp", f"{address}:{sip}"), ("tcp", f"{address}:{sip}")} <= bound
    numbers = {int(where.rpartition(":")[2]) for _, where in bound}
    assert {stack.sip.part(name, slot).first for name in ("health", "metrics")} <= numbers
    assert host.check_output(f"curl -s http://127.0.0.1:{stack.sip.part('health', slot)}/") in ("OK", "UnderLoad")


def test_its_sandbox_is_tight(host: Host, unit: str) -> None:
    said = host.check_output("systemd-analyze security --no-pager %s", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found
    assert float(found[1]) <= EXPOSURE


def test_no_other_user_can_read_a_secret(host: Host, stack: HostStack, pid: str) -> None:
    assert stack.sip
    assert stack.sip.redis.password
    secrets = [*(s.reveal() for s in stack.sip.api_keys.values()), stack.sip.redis.password.reveal()]
    places = f"{stack.sip.config_root} /etc/systemd/system"
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    readable = host.run(f"{nobody} grep -rhs . {places}").stdout
    assert "livekit-sip" in readable, "some files of ours may be read: else this would prove nothing"
    arguments = host.check_output("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
    assert host.run(f"{nobody} cat /proc/{pid}/environ").rc != 0
    for secret in secrets:
        assert secret not in readable
        assert secret not in arguments


def test_prometheus_has_its_metrics(host: Host, stack: HostStack, slot: str) -> None:
    if stack.prometheus is None:
        pytest.skip(f"{stack.host} has no Prometheus in this site")
    ask = 'curl -sG http://%s/api/v1/query --data-urlencode query=\'up{job="sip",slot="%s"}\''
    assert '"1"]' in host.check_output(ask % (stack.prometheus.listen, slot))
