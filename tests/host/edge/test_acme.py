"""What gets certificates by ACME, on a deployed host; nothing of it where certificates come from elsewhere."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.roles.acme.settings import TIMER, UNIT, USER, Settings
from livekit_metal.site.model import HostStack

EXPOSURE = 1.6  # of systemd-analyze security, where 10 is a bare process


@pytest.fixture
def acme(stack: HostStack) -> Settings:
    if stack.acme is None or not stack.acme.wanted:
        pytest.skip(f"{stack.host} gets no certificates by ACME in this site")
    return stack.acme


def test_where_certificates_come_from_elsewhere_there_is_nothing_of_it(host: Host, stack: HostStack) -> None:
    if stack.acme is None or stack.acme.wanted:
        pytest.skip(f"{stack.host} gets certificates by ACME in this site")
    assert host.run("systemctl cat %s %s", UNIT, TIMER).rc != 0
    for path in (stack.acme.place, stack.acme.state, stack.acme.served, stack.acme.metric_file):
        assert not host.file(path).exists, path


def test_its_timer_runs_and_its_last_run_did_not_fail(host: Host, acme: Settings) -> None:
    assert host.service(TIMER).is_running
    assert host.service(TIMER).is_enabled
    assert host.run("systemctl is-failed %s", UNIT).stdout.strip() != "failed"


def test_a_run_that_is_not_due_asks_nobody(host: Host, acme: Settings) -> None:
    before = host.check_output("sha256sum %s", acme.served)
    host.check_output("systemctl start %s", UNIT)
    assert host.check_output("systemctl show -p Result --value %s", UNIT) == "exec-condition"
    assert host.check_output("sha256sum %s", acme.served) == before


def test_keys_are_for_those_who_use_them(host: Host, acme: Settings) -> None:
    for path, owner, group, mode in (
        (acme.account_file, USER, USER, 0o600),
        (acme.environment_file, "root", "root", 0o600),
        (acme.state, USER, USER, 0o700),
        (acme.served, "root", acme.group, 0o640),
    ):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == (owner, group, mode), path


def test_its_sandbox_is_tight(host: Host, acme: Settings) -> None:
    said = host.check_output("systemd-analyze security --no-pager %s", UNIT)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert exposure
    assert float(exposure[1]) <= EXPOSURE, said
