"""Workers of a fleet as their host sees them."""

from __future__ import annotations

import json
import re
from typing import Any

from testinfra.host import Host

from lab.run import wait_until

_LIST = "systemctl list-units --plain --no-legend --state=%s 'livekit-agents-%s@*'"
ECHO = "echo"  # the fleet that is meant where none is named
NODE = "parrot"  # that of the other language


def slots(host: Host, state: str, fleet: str = ECHO) -> list[str]:
    """The slots of a fleet whose unit is ``state``."""
    lines = host.check_output(_LIST % (state, fleet)).splitlines()
    return [line.split()[0].partition("@")[2].removesuffix(".service") for line in lines]


def serving(host: Host, fleet: str = ECHO) -> str:
    """The one slot that runs and does not drain."""
    (slot,) = slots(host, "active", fleet)
    return slot


def pid(host: Host, slot: str, fleet: str = ECHO) -> int:
    return int(host.check_output(f"systemctl show -p MainPID --value livekit-agents-{fleet}@{slot}"))


def rooms(host: Host, slot: str, fleet: str = ECHO) -> list[str]:
    """The rooms in which the worker on ``slot`` has a job, as it says."""
    port = host.check_output(
        f"sed -n 's/^slot {slot} .*health \\([0-9]*\\).*/\\1/p' $(dirname $(readlink "
        f"/etc/systemd/system/livekit-agents-{fleet}@{slot}.service.d/50-generation.conf))/ports"
    )
    said: dict[str, Any] = json.loads(host.check_output(f"curl -sf http://127.0.0.1:{port}/worker"))
    return list(said["rooms"])


def of_room(host: Host, slot: str, room: str, fleet: str = ECHO) -> list[int]:
    """The process of the job in ``room``, as the journal has it; lines of Node's worker have its own number, too."""
    said = host.check_output(f"journalctl -u livekit-agents-{fleet}@{slot} -o cat --since -2min")
    lines = (json.loads(line) for line in said.splitlines() if line[:1] == "{")
    found = {line["pid"] for line in lines if line.get("room") == room and "pid" in line}
    return sorted(found - {pid(host, slot, fleet)})


def watched(host: Host, fleet: str = ECHO) -> tuple[int, int]:
    """What the watcher of a host has counted of a fleet: jobs that were lost, and those that were dispatched again."""
    said = host.check_output("curl -sf http://127.0.0.1:9650/metrics")
    names = ("livekit_agents_jobs_lost_total", "livekit_agents_jobs_redispatched_total")
    found = [re.search(rf'^{name}{{fleet="{fleet}"}} (\d+)$', said, re.MULTILINE) for name in names]
    lost, again = (int(each[1]) for each in found if each)
    return lost, again


def ended(host: Host, slot: str, within: float = 60, fleet: str = ECHO) -> None:
    """Wait until a slot that drains has ended by itself, and in good order."""
    unit = f"livekit-agents-{fleet}@{slot}"
    asked = f"systemctl is-active {unit}"
    over = wait_until(lambda: host.run(asked).stdout.strip() != "deactivating", within, every=0.2)
    assert over, f"{unit} has not ended {within:.0f} s after its last job"
    shown = host.check_output(f"systemctl show -p ActiveState -p Result {unit}")
    assert sorted(shown.split()) == ["ActiveState=inactive", "Result=success"], shown
