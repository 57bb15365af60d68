"""Faults on a host are told, once each, and told to be over: seen in Alertmanager and by who is told.

`pytest -rP` shows the seconds. The host is that of inventories/lab_alerts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from testinfra.host import Host

from livekit_metal.core import records
from livekit_metal.roles.alertmanager.settings import Settings
from livekit_metal.site.model import Site
from tests.faults.alerts.people import People, listening, states, until
from tests.support.hosts.lab import Lab

States = Callable[[], Mapping[str, str]]
BLOCK = "table inet alerts_test { chain in { type filter hook input priority -300; tcp dport %s drop; }; }"


@pytest.fixture(scope="module")
def people(lab: Lab) -> Iterator[People]:
    with listening(lab.facts["gateway"]) as found:
        yield found


@pytest.fixture
def now(first: Host, site: Site, people: People) -> States:
    own = site.for_host(next(iter(site.hosts))).of(Settings)
    assert own is not None, "deploy inventories/lab_alerts.py"
    return lambda: states(first, own.listen)


def fires(now: States, name: str, how: str) -> None:
    print(f"{name}: {how}: fires after {until(lambda: now().get(name) == 'active', f'{name} fires'):.0f} s")


def clears(now: States, *names: str) -> None:
    print(f"{', '.join(names)}: clears after {until(lambda: not {*names} & {*now()}, f'{names} clear'):.0f} s")


def test_while_all_is_well_only_the_dead_mans_switch_fires(now: States) -> None:
    until(lambda: set(now()) == {"DeadMansSwitch"}, "nothing else fires after the deploy")


def test_a_unit_that_fails_and_a_server_that_hangs_are_told(first: Host, now: States, people: People) -> None:
    unit = first.check_output("systemctl list-units --plain --no-legend 'livekit-server@*' | cut -d ' ' -f 1")
    first.run("systemd-run --unit=livekit-alerts-test /bin/false")
    first.check_output("systemctl kill -s STOP %s", unit)
    try:
        fires(now, "ServiceFailed", "a unit that ends with status 1")
        fires(now, "NodeNotServing", f"{unit} is stopped by SIGSTOP")
        until(lambda: people.heard("ServiceFailed") and people.heard("NodeNotServing"), "somebody is told")
    finally:
        first.check_output("systemctl kill -s CONT %s", unit)
        first.check_output("systemctl reset-failed livekit-alerts-test.service")
    clears(now, "ServiceFailed", "NodeNotServing")


def test_without_redis_one_alert_is_told_and_what_it_explains_is_not(first: Host, now: States, people: People) -> None:
    people.told.clear()
    first.check_output("systemctl stop livekit-redis")
    try:
        fires(now, "RedisDown", "livekit-redis is stopped")
        until(
            lambda: now().get("NodeNotServing") == "suppressed", "the node that has left the cluster is explained by it"
        )
        until(lambda: people.heard("RedisDown"), "somebody is told")
        assert not people.heard("NodeNotServing")
    finally:
        first.check_output("systemctl start livekit-redis")
    clears(now, "RedisDown", "NodeNotServing")


def test_a_blocked_port_is_told_but_not_of_a_host_in_maintenance(
    first: Host, site: Site, now: States, people: People
) -> None:
    people.told.clear()
    marker = records.maintenance(site.paths.config)
    first.check_output("echo '{}' >%s", marker)
    first.check_output("nft %s", BLOCK % site.exporters.redis)
    try:
        until(lambda: now().get("TargetDown") == "suppressed", "TargetDown is explained by the maintenance")
        assert now()["InMaintenance"] == "active"
        assert not people.heard("TargetDown"), "nobody is told"
        first.check_output("rm %s", marker)
        fires(now, "TargetDown", "nft drops what is for an exporter; once the maintenance is over")
        until(lambda: people.heard("TargetDown"), "somebody is told")
    finally:
        first.run("rm -f %s; nft delete table inet alerts_test", marker)
    clears(now, "TargetDown", "InMaintenance")
