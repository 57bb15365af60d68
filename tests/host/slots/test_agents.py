"""A fleet of agents as it runs on a deployed host."""

from __future__ import annotations

import json
import re

import pytest
from testinfra.host import Host

from livekit_metal.roles.agents.settings import Fleet, Settings
from livekit_metal.site.model import HostStack
from tests.support.hosts.lab import lab

EXPOSURE = 2.0  # of systemd-analyze security, where 10 is a bare process
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"

if not lab().site.with_role("agents"):
    pytest.skip("no host of this site has agents", allow_module_level=True)


@pytest.fixture(params=list(lab().site.of(Settings).fleets))
def fleet(request: pytest.FixtureRequest, stack: HostStack) -> Fleet:
    own = stack.of(Settings)
    found = [each for each in own.daemons if each.name == request.param] if own else []
    if not found:
        pytest.skip(f"{stack.host} has no fleet {request.param} in this site")
    return found[0]


@pytest.fixture
def slot(host: Host, fleet: Fleet) -> str:
    text = host.file(fleet.active.file).content_string
    (line,) = [line for line in text.splitlines() if line.startswith(f"{fleet.component} ")]
    return line.split()[1]


@pytest.fixture
def pid(host: Host, fleet: Fleet, slot: str) -> str:
    return host.check_output("systemctl show -p MainPID --value %s", fleet.unit.format(slot))


def test_its_own_process_answers_on_loopback_and_is_registered(host: Host, fleet: Fleet, slot: str, pid: str) -> None:
    port = fleet.part("health", slot).first
    lines = [line for line in host.check_output("ss -Hltnp").splitlines() if f"pid={pid}," in line]
    assert lines
    assert all(re.search(r"\s127\.0\.0\.1:\d+\s", line) for line in lines), "upstream's default is every address"
    assert any(f"127.0.0.1:{port} " in line for line in lines)
    assert host.check_output(f"curl -s http://127.0.0.1:{port}/") == "OK"
    said = json.loads(host.check_output(f"curl -s http://127.0.0.1:{port}/worker"))
    assert (said["agent_name"], said["deployment"], said["jobs_lost"]) == (fleet.answers_to, "", 0)


def test_its_metrics_are_its_own_and_reach_prometheus(host: Host, fleet: Fleet, slot: str, stack: HostStack) -> None:
    port = fleet.part("health", slot).first
    metrics = host.check_output(f"curl -s http://127.0.0.1:{port}/metrics")
    assert "\nlivekit_agents_registered 1\n" in metrics
    assert fleet.source.node or "\nlk_agents_worker_load{" in metrics, "upstream's own; Node's has none"
    if getattr(stack, "prometheus", None) is None:
        return
    query = f'livekit_agents_registered{{job="{fleet.component}",slot="{slot}"}}'
    found = host.check_output(f"curl -sG http://127.0.0.1:9090/api/v1/query --data-urlencode 'query={query}'")
    values = {each["metric"]["instance"]: each["value"][1] for each in json.loads(found)["data"]["result"]}
    assert "1" in values.values(), found


def test_keys_and_secrets_are_in_no_argument_and_for_nobody_else(host: Host, fleet: Fleet, slot: str, pid: str) -> None:
    secret = next(iter(fleet.api_keys.values())).reveal()
    arguments = host.check_output("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    assert secret not in arguments
    config = host.check_output(f"tr '\\0' '\\n' < /proc/{pid}/cmdline").split()[-1]
    assert secret in host.file(config).content_string
    assert host.run(f"{NOBODY} cat {config}").rc != 0
    assert host.run(f"{NOBODY} cat /proc/{pid}/environ").rc != 0


def test_its_sandbox_is_tight_and_its_code_not_its_own(host: Host, fleet: Fleet, slot: str, pid: str) -> None:
    said = host.check_output(f"systemd-analyze security --no-pager {fleet.unit.format(slot)}")
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert exposure
    assert float(exposure[1]) <= EXPOSURE, said
    assert host.check_output(f"ps -o user:40= -p {pid}").strip() == fleet.user
    code = host.check_output(f"readlink /proc/{pid}/cwd")
    assert code.startswith(f"{fleet.releases}/")
    assert host.run(f"find {code} {code}/../site -not -user root -o -perm /022 -not -type l | grep .").rc != 0
