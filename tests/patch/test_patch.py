"""Every host is upgraded while people talk on all of them: nobody is told anything, nobody misses anything."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.core import records
from tests.patch.archive import BREAKS, WANTS_REBOOT, WANTS_RESTART, Archive
from tests.support.calls.background_call import talking
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import Deploy, Told, unchanging
from tests.support.hosts.lab import INVENTORY, Lab

PLAN = "procedures/patch.py"
_BOOT = "cat /proc/sys/kernel/random/boot_id"
_LONGEST = 300  # s for the way of one host


@dataclass(frozen=True)
class Seen:
    told: Told
    boots: Mapping[str, tuple[str, str]]  # before and after
    emptied: list[str]  # hosts, in the order in which their drains waited for the call there


@pytest.fixture(scope="module")
def seen(access: Access, control: Access, lab: Lab, hosts: Mapping[str, Host], archives: Mapping[str, Archive]) -> Seen:
    """The first host gets a package that wants a restart, the others one that wants a reboot."""
    first, *rest = hosts
    archives[first].offer("2", WANTS_RESTART)
    for name in rest:
        archives[name].offer("2", WANTS_REBOOT)
    before = {name: host.check_output(_BOOT) for name, host in hosts.items()}
    emptied: list[str] = []
    with contextlib.ExitStack() as calls:
        talks = {
            name: calls.enter_context(talking(access, control, serving(lab.site, name).node, name)) for name in hosts
        }
        run = Deploy(INVENTORY, "--data", "within=5m", plan=PLAN)
        while line := run.until(lambda line: re.search(r"patch: \d+ participants", line) is not None, within=_LONGEST):
            (name,) = re.findall(r"\[([\w.-]+)\]", line)
            if name not in emptied:
                emptied.append(name)
                talks[name].unnoticed()  # up to here; now they hang up, and their host goes on
        told = run.end(within=10)
    after = {name: host.check_output(_BOOT) for name, host in hosts.items()}
    return Seen(told, {name: (before[name], after[name]) for name in hosts}, emptied)


def test_host_by_host_each_waits_for_its_call(seen: Seen, hosts: Mapping[str, Host]) -> None:
    assert seen.told.status == 0, seen.told.text
    assert seen.emptied == list(hosts), seen.told.text


def test_every_host_has_what_was_due(seen: Seen, archives: Mapping[str, Archive]) -> None:
    assert {each.installed for each in archives.values()} == {"2"}


def test_those_that_ask_for_it_have_rebooted(seen: Seen, hosts: Mapping[str, Host]) -> None:
    rebooted = [name for name, (before, after) in seen.boots.items() if before != after]
    assert rebooted == list(hosts)[1:], "a library of our daemons alone asks for none"


def test_nothing_runs_on_a_library_that_was_replaced(seen: Seen, hosts: Mapping[str, Host]) -> None:
    for name, host in hosts.items():
        old = host.run("grep -ls 'libssl.so.3 (deleted)' /proc/[0-9]*/maps").stdout
        assert old == "", name


def test_every_host_serves_again(seen: Seen, lab: Lab, hosts: Mapping[str, Host]) -> None:
    for name, host in hosts.items():
        assert serving(lab.site, name).node
        assert not host.file(records.maintenance(lab.site.paths.config)).exists
    unchanging()


def test_a_second_run_touches_nothing(seen: Seen) -> None:
    told = Deploy(INVENTORY, plan=PLAN).end()
    assert told.status == 0, told.text
    assert "unchanged" in told.text
    assert "patch: mark" not in told.text
    assert "new sessions go to other hosts" not in told.text


def test_a_package_that_cannot_be_installed_stops_it_and_a_mended_one_goes_on(
    seen: Seen, lab: Lab, hosts: Mapping[str, Host], archives: Mapping[str, Archive]
) -> None:
    first, second, _ = hosts
    archives[first].offer("3", BREAKS)
    archives[second].offer("3", ":")
    told = Deploy(INVENTORY, plan=PLAN).end(within=_LONGEST)
    assert told.status > 0, told.text
    assert f"stopped at {first}" in told.text
    assert archives[second].installed == "2", "the next one was not begun"
    assert serving(lab.site, second).node
    marker = hosts[first].file(records.maintenance(lab.site.paths.config))
    assert marker.exists, "it is out of service"

    archives[first].offer("4", ":")
    told = Deploy(INVENTORY, "--limit", first, "--limit", second, plan=PLAN).end(within=_LONGEST)
    assert told.status == 0, told.text
    assert [archives[name].installed for name in (first, second)] == ["4", "3"]
    assert not marker.exists
    assert serving(lab.site, first).node


def test_a_reboot_that_is_asked_for_of_the_host_with_redis(
    seen: Seen, access: Access, control: Access, lab: Lab, hosts: Mapping[str, Host]
) -> None:
    """A call on another host goes on while Redis is away."""
    first, second, _ = hosts
    before = hosts[first].check_output(_BOOT)
    with talking(access, control, serving(lab.site, second).node, second) as talk:
        told = Deploy(INVENTORY, "--limit", first, "--data", "reboot=always", plan=PLAN).end(within=_LONGEST)
        talk.unnoticed()
    assert told.status == 0, told.text
    assert hosts[first].check_output(_BOOT) != before
    assert serving(lab.site, first).node
    unchanging()
