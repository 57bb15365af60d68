"""What operators do is no fault: no alert fires while they deploy, upgrade, roll back, drain or reboot."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.alerts.conftest import States
from tests.faults.alerts.people import until
from tests.support.fired import ALWAYS, fired_since, pages
from tests.support.hosts.deploys import Deploy, deploy
from tests.support.hosts.lab import INVENTORY, ROOT, Lab

ON_PURPOSE = ALWAYS | {"InMaintenance"}  # tells nobody: it keeps others quiet
Change = Callable[[Mapping[str, Any]], Path]


@pytest.fixture(autouse=True)
def quiet_before(now: States) -> None:
    until(lambda: set(now()) == ALWAYS, "nothing fires before")


def test_a_deploy_an_upgrade_and_a_rollback(first: Host, site: Site, change: Change) -> None:
    began = time.time()
    assert deploy().status == 0, "a plain one"
    for release in ("1.13.4", "1.13.5"):
        told = deploy(change({"livekit": {"release": release, "room": {"empty_timeout": 299}}}))
        assert told.status == 0, told.text
    told = Deploy(INVENTORY, "--data", "why=test", "--data", "any=yes", plan="procedures/rollback.py").end()
    assert told.status == 0, told.text
    assert deploy(change({"base": {"journal": {"max_mb": 300}}})).status == 0, "journald starts again"
    assert deploy().status == 0
    pages()
    assert fired_since(began, site) <= ALWAYS


def test_a_drain_and_the_way_back(first: Host, site: Site) -> None:
    began = time.time()
    told = Deploy(INVENTORY, "--data", "why=test", "--data", "alone=yes", plan="procedures/drain.py").end()
    assert told.status == 0, told.text
    pages()
    back = Deploy(INVENTORY, "--data", "back=yes", plan="procedures/drain.py").end()
    assert back.status == 0, back.text
    pages()
    assert fired_since(began, site) <= ON_PURPOSE


def test_a_reboot_within_its_bound(lab: Lab, first: Host, site: Site) -> None:
    began, name = time.time(), next(iter(site.hosts))
    subprocess.run([sys.executable, "-m", "lab", "reboot", name], cwd=ROOT, check=True, timeout=120)
    first.check_output("timeout 60 sh -c 'until systemctl is-active -q livekit-edge; do sleep 0.2; done'")
    pages()
    assert fired_since(began, site) <= ALWAYS
    assert lab.site.hosts.keys() == {name}
