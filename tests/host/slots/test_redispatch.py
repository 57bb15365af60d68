"""The watcher as it runs on a deployed host: of a site with agents.redispatch."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import pytest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.roles.redispatch.settings import UNIT, Settings
from livekit_metal.site.model import HostStack
from tests.support import webhooks
from tests.support.hosts.lab import lab

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"


@pytest.fixture
def own(stack: HostStack) -> Settings:
    found = stack.of(Settings)
    if found is None or not found.wanted:
        pytest.skip(f"{stack.host} has no watcher")
    return found


def test_where_nobody_wants_it_there_is_none(host: Host, stack: HostStack) -> None:
    found = stack.of(Settings)
    wanted = found is not None and found.wanted
    assert (host.run(f"systemctl is-active {UNIT}").stdout.strip() == "active") == wanted
    assert host.file(f"/etc/systemd/system/{UNIT}").exists == wanted


def test_it_is_in_a_sandbox_and_hears_on_loopback_alone(host: Host, own: Settings) -> None:
    said = host.check_output(f"systemd-analyze security --no-pager {UNIT}")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found
    assert float(found[1]) <= 2.0
    listening = host.check_output(f"ss -Hltn 'sport = :{own.port.first}'").split()
    assert listening[3] == own.listen
    pid = host.check_output(f"systemctl show -p MainPID --value {UNIT}")
    assert host.check_output(f"stat -c %U /proc/{pid}") != "root"


def test_nobody_else_reads_a_key(host: Host, own: Settings) -> None:
    assert host.run(f"{NOBODY} cat {own.config_file}").rc != 0
    pid = host.check_output(f"systemctl show -p MainPID --value {UNIT}")
    secrets = [each.reveal() for each in (*own.api_keys.values(), *own.signers.values())]
    seen = host.check_output(
        f"cat /proc/{pid}/cmdline /proc/{pid}/environ | tr '\\0' '\\n'; journalctl -u {UNIT} -o cat"
    )
    assert not [secret for secret in secrets if secret in seen]


def test_what_a_key_of_the_site_has_signed_is_looked_into(host: Host, own: Settings) -> None:
    """It asks LiveKit, which knows of no such room."""
    for number, (key, secret) in enumerate(own.signers.items()):
        identity = f"agent-{uuid4().hex[:8]}-{number}"
        body = json.dumps(webhooks.event(identity=identity))
        token = webhooks.token(body.encode(), key, secret.reveal())
        ask = "curl -s -o /dev/null -w '%{{http_code}}' -H @- -d '{}' http://{}/ <<< 'Authorization: {}'"
        assert host.check_output(ask.format(body, own.listen, token)) == "200"
        wait_until(lambda identity=identity: identity in journal(host), 30, every=0.5)  # type: ignore[misc]
        (line,) = (line for line in journal(host).splitlines() if identity in line)
        assert "its room is over" in json.loads(line)["msg"], "and no failure"


def journal(host: Host) -> str:
    return host.check_output(f"journalctl -u {UNIT} -o cat --since -2min")


def test_what_is_not_signed_does_nothing(host: Host, own: Settings) -> None:
    body = json.dumps(webhooks.event())
    ask = f"{NOBODY} curl -s -o /dev/null -w '%{{http_code}}' -d '{body}'"
    assert host.check_output(f"{ask} http://{own.listen}/") == "401"
    assert host.check_output(f"{ask} -H 'Authorization: a.b.c' http://{own.listen}/") == "401"


def test_its_journal_is_json(host: Host, own: Settings) -> None:
    lines = host.check_output(f"journalctl _SYSTEMD_UNIT={UNIT} -o cat").splitlines()
    assert all("msg" in json.loads(line) for line in lines if line)


def test_its_metrics_reach_prometheus(host: Host, own: Settings, stack: HostStack) -> None:
    if getattr(stack, "prometheus", None) is None:
        return
    listen = stack.prometheus.listen  # type: ignore[attr-defined]
    query = 'livekit_agents_jobs_lost_total{job="redispatch"}'
    ask = f"curl -sG http://{listen}/api/v1/query --data-urlencode 'query={query}'"

    def hosts() -> set[str]:
        return {each["metric"]["host"] for each in json.loads(host.check_output(ask))["data"]["result"]}

    assert wait_until(lambda: hosts() == set(lab().site.with_role("livekit")), 60, every=2)
