"""Faults on a host are told, once each, and told to be over: seen in Alertmanager and by who is told.

The seconds are in the table that the run ends with. The host is that of inventories/lab_alerts.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.core import records
from livekit_metal.site.model import Site
from tests.faults.alerts.conftest import States
from tests.faults.alerts.others import ELSEWHERE
from tests.faults.alerts.people import People, until
from tests.faults.alerts.seen import TABLE
from tests.support.hosts.deploys import deploy

BLOCK = "table inet alerts_test { chain in { type filter hook input priority -300; tcp dport %s drop; }; }"


def fires(now: States, name: str, state: str = "active", since: float = 0.0) -> None:
    TABLE.how.setdefault(name, ELSEWHERE[name])
    began = since or time.monotonic()
    until(lambda: now().get(name) == state, f"{name} is {state}")
    TABLE.fired.setdefault(name, time.monotonic() - began)


def clears(now: States, *names: str) -> None:
    ended, left = time.monotonic(), {*names}

    def over() -> bool:
        for name in left - {*now()}:
            TABLE.cleared.setdefault(name, time.monotonic() - ended)
            left.remove(name)
        return not left

    until(over, f"{names} clear")


def test_while_all_is_well_only_the_dead_mans_switch_fires(now: States) -> None:
    fires(now, "DeadMansSwitch")
    until(lambda: set(now()) == {"DeadMansSwitch"}, "nothing else fires after the deploy")


def test_a_server_that_hangs_is_told_once_and_who_is_turned_away_by_it_is_not(
    first: Host, site: Site, now: States, people: People
) -> None:
    unit = first.check_output("systemctl list-units --plain --no-legend 'livekit-server@*' | cut -d ' ' -f 1")
    began = time.monotonic()
    first.check_output("systemctl kill -s STOP %s", unit)
    try:
        fires(now, "NodeNotServing", since=began)
        until(lambda: people.heard("NodeNotServing"), "somebody is told")
        first.run(
            "for i in $(seq 20); do curl -s -m 5 -o /dev/null http://127.0.0.1:%s/; done", str(site.edge.http.first)
        )
        fires(now, "SignallingFailing", "suppressed", since=began)
        assert not people.heard("SignallingFailing"), "it is explained"
    finally:
        first.check_output("systemctl kill -s CONT %s", unit)
    clears(now, "NodeNotServing", "SignallingFailing")


def test_a_drain_is_told_before_it_ends_calls(
    access: Access, now: States, people: People, change: Callable[[Mapping[str, Any]], Path]
) -> None:
    short = {"drain": {"deadline": "3m"}}
    assert deploy(change({"livekit": short})).status == 0

    async def scenario() -> None:
        async with Call(access):
            assert deploy(change({"livekit": short | {"room": {"empty_timeout": 297}}})).status == 0
            await asyncio.to_thread(fires, now, "DrainNearDeadline")
            await asyncio.to_thread(until, lambda: people.heard("DrainNearDeadline"), "somebody is told")
            await asyncio.to_thread(clears, now, "DrainNearDeadline")

    asyncio.run(scenario())
    assert deploy().status == 0


def test_without_redis_one_alert_is_told_and_what_it_explains_is_not(first: Host, now: States, people: People) -> None:
    people.told.clear()
    first.check_output("systemctl stop livekit-redis")
    try:
        fires(now, "RedisDown")
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
        fires(now, "InMaintenance")
        assert not people.heard("TargetDown"), "nobody is told"
        first.check_output("rm %s", marker)
        fires(now, "TargetDown")
        until(lambda: people.heard("TargetDown"), "somebody is told")
    finally:
        first.run("rm -f %s; nft delete table inet alerts_test", marker)
    clears(now, "TargetDown", "InMaintenance")
