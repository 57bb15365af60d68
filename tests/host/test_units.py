"""Every unit of ours on a deployed host: none can take all of it, none that root runs is bare."""

from __future__ import annotations

import re

from testinfra.host import Host

from livekit_metal.core.slots.decision import HIDEPID, SEEING, SEES
from livekit_metal.roles.livekit.turn import REDIRECT_UNIT
from livekit_metal.site.model import HostStack

EXPOSURE = {  # of 10
    "livekit-firewall.service": 2.0,
    REDIRECT_UNIT: 2.0,
    "livekit-drain-guard.service": 2.5,
    HIDEPID: 3.5,
}


def _running(host: Host) -> list[str]:
    said = host.check_output("systemctl list-units --plain --no-legend --state=active 'livekit-*.service'")
    return [line.split()[0] for line in said.splitlines()]


def test_each_daemon_has_its_limits_as_it_runs(host: Host) -> None:
    daemons = [unit for unit in _running(host) if unit not in EXPOSURE]
    assert daemons
    for unit in daemons:
        said = host.check_output("systemctl show -p MemoryMax -p TasksMax -p MainPID %s", unit)
        limits = dict(line.split("=", 1) for line in said.splitlines())
        assert limits["MemoryMax"].isdigit(), unit
        assert 0 < int(limits["TasksMax"]) <= 16384, unit
        group = host.check_output("sed -n 's/^0:://p' /proc/%s/cgroup", limits["MainPID"])
        tasks = host.file(f"/sys/fs/cgroup{group}/pids.max")
        if tasks.exists:  # the kernel's own, where this host has been given the controller
            assert tasks.content_string.strip() == limits["TasksMax"], unit


def test_what_root_runs_once_is_in_a_sandbox(host: Host) -> None:
    for unit in set(EXPOSURE) & set(_running(host)):
        said = host.check_output("systemd-analyze security --no-pager %s", unit)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
        assert found
        assert float(found[1]) <= EXPOSURE[unit], unit


def test_the_rules_load_from_within_the_sandbox(host: Host) -> None:
    """As at boot: the confirmed ones, once more."""
    host.check_output("systemctl restart livekit-firewall.service")
    assert host.check_output("systemctl show -p Result --value livekit-firewall.service") == "success"
    assert host.run("nft list table inet livekit_metal").rc == 0


def test_who_has_to_sees_processes_where_others_do_not(host: Host, stack: HostStack) -> None:
    if stack.ingress is None or stack.ingress.process_list != "hide":
        return
    group = host.check_output("getent group %s", SEES).split(":")[2]
    assert re.search(rf"^\S+ /proc proc \S*gid={group}\b", host.check_output("cat /proc/mounts"), re.MULTILINE)
    for unit in SEEING:
        pid = host.check_output("systemctl show -p MainPID --value %s", unit)
        if pid != "0":
            assert group in host.check_output("grep ^Groups: /proc/%s/status", pid).split(), unit
    member = f"setpriv --reuid=65534 --regid=65534 --groups={group}"
    assert host.run(f"{member} cat /proc/1/cmdline").rc == 0
    assert host.run("setpriv --reuid=65534 --regid=65534 --clear-groups cat /proc/1/cmdline").rc != 0
