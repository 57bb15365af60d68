"""egress as it runs on a deployed host, the real one or a stand-in."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.site.model import HostStack
from tests.support.hosts.lab import lab

EXPOSURE = 2.0  # of systemd-analyze security, where 10 is a bare process
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"

if not lab().site.with_role("egress"):
    pytest.skip("no host of this site records", allow_module_level=True)


@pytest.fixture(autouse=True)
def _only_where_it_runs(stack: HostStack) -> None:
    if stack.egress is None:
        pytest.skip(f"{stack.host} has no egress in this site")


@pytest.fixture
def slot(host: Host, stack: HostStack) -> str:
    text = host.file(stack.egress.active.file).content_string
    (line,) = [line for line in text.splitlines() if line.startswith("egress ")]
    return line.split()[1]


@pytest.fixture
def unit(slot: str) -> str:
    return f"livekit-egress@{slot}.service"


@pytest.fixture
def pid(host: Host, unit: str) -> str:
    return host.check_output("systemctl show -p MainPID --value %s", unit)


def test_only_the_active_slot_runs_and_would_start_at_boot(host: Host, stack: HostStack, slot: str, unit: str) -> None:
    running = host.check_output("systemctl list-units --plain --no-legend --state=active 'livekit-egress@*'").split()
    assert [w for w in running if w.startswith("livekit-egress@")] == [unit]
    assert host.service(unit).is_enabled
    assert stack.egress.active.file in host.check_output("systemctl show -p ExecCondition --value %s", unit)


def test_its_own_process_owns_its_ports_and_answers(host: Host, stack: HostStack, slot: str, pid: str) -> None:
    owned = host.check_output("ss -Hltnp")
    for name in ("health", "metrics", "template"):
        port = stack.egress.part(name, slot).first
        (line,) = [line for line in owned.splitlines() if re.search(rf":{port}\s", line)]
        assert f"pid={pid}," in line
    health = stack.egress.part("health", slot).first
    assert host.check_output(f"curl -s http://127.0.0.1:{health}/").startswith('{"CpuLoad":')


def test_it_finds_itself_by_the_name_that_it_starts_recordings_with(host: Host, stack: HostStack, pid: str) -> None:
    path = host.check_output(f"tr '\\0' '\\n' </proc/{pid}/environ | sed -n 's/^PATH=//p'")
    assert host.run(f"PATH={path} command -v egress").stdout.startswith(f"{stack.egress.release_root}/egress/")


def test_its_scratch_is_its_own(host: Host, stack: HostStack, slot: str, pid: str) -> None:
    marker = f"{stack.egress.state}/{slot}/test-marker"
    host.check_output(f"touch {marker}")
    seen = host.check_output(f"nsenter -m -t {pid} ls /home/egress/tmp").split()
    host.check_output(f"rm {marker}")
    assert "test-marker" in seen
    assert host.check_output(f"stat -c '%U %a' {stack.egress.state}/{slot}") == "livekit-egress 700"


def test_its_sandbox_is_tight(host: Host, unit: str) -> None:
    said = host.check_output("systemd-analyze security --no-pager %s", unit)
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1]) <= EXPOSURE


def test_no_other_user_can_read_a_secret(host: Host, stack: HostStack, pid: str) -> None:
    secrets = [*(each.reveal() for each in stack.egress.api_keys.values()), stack.egress.redis.password.reveal()]
    readable = host.run(f"{NOBODY} grep -rhs . {stack.egress.config_root} /etc/systemd/system").stdout
    assert "livekit-egress" in readable, "some files of ours may be read: else this would prove nothing"
    said = readable + host.check_output("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
    said += host.check_output("journalctl -u 'livekit-egress@*' --no-pager -o cat")
    assert not [secret for secret in secrets if secret in said]
    assert host.run(f"{NOBODY} cat /proc/{pid}/environ").rc != 0


def test_metrics_come_through_the_edge(host: Host, stack: HostStack, slot: str) -> None:
    url = f"http://{stack.edge.endpoints['metrics']}/egress"
    assert "livekit_egress_" in host.check_output(f"curl -s {url}/{slot}")
    other = next(s for s in stack.egress.slots if s != slot)
    assert "does not answer" in host.check_output(f"curl -sf {url}/{other}"), "an empty slot is no failure"
