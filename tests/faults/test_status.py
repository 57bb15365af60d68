"""Status and the audit log while something is wrong: a host that is gone, a deploy that hangs, one that was killed."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.core.records import AUDIT
from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.hosts.deploys import Deploy, deploy, unchanging
from tests.support.hosts.lab import Lab
from tests.support.hosts.status import hosts, status


def log(host: Host) -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.check_output(f"cat {AUDIT}").splitlines()]


def test_an_unreachable_host_is_shown_and_so_are_the_others(
    change: Change, lab: Lab, site: Site, untouched: AbstractContextManager[None]
) -> None:
    nobody = str(list(ipaddress.ip_network(lab.facts["network"]).hosts())[-1])
    first = next(iter(site.hosts.values()))
    gone = {"address": nobody, "roles": ["livekit"], "ssh": {"known_hosts": first.ssh.known_hosts}}
    inventory = change({"hosts": {"gone": gone}})
    with untouched:
        found, told = hosts(inventory), status(inventory)
    assert found["gone"]["error"].startswith(f"hosts.gone: {nobody} cannot be reached")
    assert told.status == 1
    for name in site.hosts:
        assert found[name]["slots"][found[name]["serving"]]["state"] == "active"
        assert f"\n{name}\n    slot  state" in told.text


@pytest.fixture
def busy(change: Change, first: Host) -> Any:
    """An inventory with another memory limit for Redis; the site's own is deployed again in the end."""
    yield change({"redis": {"max_memory_mb": 555}})
    assert deploy().status == 0


def test_a_deploy_at_work_is_named_and_one_that_was_killed_leaves_a_beginning_without_an_end(
    busy: Any, first: Host, stuck: Callable[[], None], site: Site
) -> None:
    name = next(iter(site.hosts))
    running = Deploy(busy)
    assert running.until(lambda line: "redis: start " in line), running.lines
    found = hosts()[name]
    assert found["lock"]["pid"] == running.process.pid
    assert (found["changes"][-1]["role"], found["changes"][-1]["result"]) == ("redis", "began")
    running.kill()
    found = hosts()[name]
    assert found["lock"] is None
    assert found["changes"][-1]["result"] == "began"
    stuck()
    left = log(first)
    assert left[-1] == found["changes"][-1]
    unchanging(busy)  # its command has gone on to the end
    assert log(first) == left, "a deploy that changes nothing leaves no line"


def test_a_failure_is_in_the_log_with_its_reason(busy: Any, first: Host, systemctl: Callable[[str], None]) -> None:
    systemctl("echo no restart today >&2; exit 1")
    assert deploy(busy).status == 1
    systemctl(":")
    last = log(first)[-1]
    assert (last["role"], last["procedure"]) == ("redis", "deploy")
    assert last["result"].startswith("failed: start livekit-redis.service: "), last
    assert "no restart today" in last["result"]


def test_a_user_without_sudo_is_told_so(change: Change, site: Site) -> None:
    found = hosts(change({"hosts": {name: {"ssh": {"user": "nosudo"}} for name in site.hosts}}))
    for name in site.hosts:
        assert found[name]["error"].startswith(f"hosts.{name}: no command runs there (sudo asks for a password)")
        assert "give the login user sudo" in found[name]["error"]
