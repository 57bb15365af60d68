"""Hosts with umask 027, deployed by a user with sudo: a change and the way back (the rest of this row deploys so, too).

Their first deploy and their removal: test_fresh_host.py.
"""

from __future__ import annotations

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.slots import ended, serving
from tests.support.hosts.deploys import Deploy, deploy, unchanging
from tests.support.hosts.lab import Lab


@pytest.fixture(autouse=True)
def _hardened(lab: Lab) -> None:
    if not lab.facts["hardened"]:
        pytest.skip("this lab has hosts as Debian makes them")


def test_the_login_that_deploys_has_that_umask(first: Host, site: Site) -> None:
    """Else nothing here would prove anything."""
    host = next(iter(site.hosts.values()))
    assert host.ssh.user == "operator"
    login = "su operator -s /bin/sh -c"
    assert first.check_output(f"{login} umask") == "0027"
    assert first.check_output(f"{login} 'sudo -n sh -c umask'") == "0027"


def test_a_change_serves_and_so_does_what_served_before(change: Change, lab: Lab, site: Site) -> None:
    name = next(iter(site.hosts))
    before = serving(site, name)
    changed = change({"livekit": {"room": {"empty_timeout": 317}}})
    told = deploy(changed)
    assert told.status == 0, told.text
    after = serving(site, name)
    assert after.unit != before.unit
    ended(name, before.unit)
    told = Deploy(changed, plan="procedures/rollback.py").end()
    assert told.status == 0, told.text
    assert serving(site, name).unit != after.unit
    ended(name, after.unit)
    unchanging()
