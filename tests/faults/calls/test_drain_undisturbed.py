"""What else happens on a host while a slot drains must not touch it, and nothing of the drain is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.background_call import Talk
from tests.support.calls.slots import draining, ended, serving
from tests.support.hosts.deploys import deploy, unchanging

_SHOW = "systemctl show -p MainPID -p ActiveState -p SubState -p TimeoutStopUSec -p StateChangeTimestamp"


@pytest.fixture(autouse=True)
def _back() -> Iterator[None]:
    yield
    assert deploy().status == 0


def test_reloads_and_package_runs_change_nothing(site: Site, first: Host, change: Change, talk: Talk) -> None:
    name = next(iter(site.hosts))
    old = serving(site, name)
    changed = change({"livekit": {"room": {"empty_timeout": 601}}})
    assert deploy(changed).status == 0
    before = first.check_output(f"{_SHOW} {old.unit}")
    assert "SubState=stop-sigterm" in before
    assert "TimeoutStopUSec=5h" in before
    first.check_output("systemctl daemon-reload")
    first.check_output("DEBIAN_FRONTEND=noninteractive apt-get -y -q install --reinstall redis-server haproxy")
    first.check_output("systemctl daemon-reload")
    assert first.check_output(f"{_SHOW} {old.unit}") == before
    assert draining(name) == [old.unit]
    talk.unnoticed()
    ended(name, old.unit)
    assert first.check_output("find /run/systemd/system -name '*drain*'") == ""
    deploy(changed)  # a program that apt has replaced is taken into service
    unchanging(changed)
