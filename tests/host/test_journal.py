"""The journal's limits as the inventory has them, and that nobody who writes to it notices when they change."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from testinfra.host import Host

from livekit_metal.roles.base.settings import JOURNALD
from livekit_metal.site.model import HostStack

JOURNAL = "systemd-journald.service"


def in_force(host: Host) -> Mapping[str, str]:
    """What systemd itself makes of all files of journald's configuration."""
    said = host.check_output("systemd-analyze cat-config --no-pager systemd/journald.conf")
    return dict(line.split("=", 1) for line in said.splitlines() if re.match(r"\w+=", line))


def test_the_limits_are_in_force(host: Host, stack: HostStack) -> None:
    journal = stack.base.journal
    if not journal.limited:
        assert not host.file(JOURNALD).exists
        return
    assert in_force(host)["SystemMaxUse"] == f"{journal.max_mb}M"
    assert in_force(host)["MaxRetentionSec"] == str(journal.max_age)
    said = host.check_output("journalctl -b -o cat -u %s | grep 'System Journal' | tail -n 1", JOURNAL)
    most = re.search(r"max (\d+)(?:\.\d+)?M", said)
    assert most, said
    assert int(most[1]) == journal.max_mb, "journald itself says so"


def test_who_writes_to_the_journal_goes_on_when_it_reads_other_limits(host: Host, stack: HostStack) -> None:
    """As a deploy with other limits does it: the edge, which logs each connection, keeps the one to the journal."""
    if stack.edge is None:
        pytest.skip("no edge here")
    units = [unit for unit in stack.base.daemons if host.service(unit).is_running]

    def pids() -> dict[str, str]:
        return {u: host.check_output("systemctl show -p MainPID,NRestarts,InvocationID %s", u) for u in units}

    def lines() -> int:
        return int(host.check_output("journalctl -q -o cat -u livekit-edge | wc -l"))

    before, journald = pids(), host.check_output("systemctl show -P MainPID %s", JOURNAL)
    host.check_output("systemctl restart %s", JOURNAL)
    assert host.check_output("systemctl show -P MainPID %s", JOURNAL) != journald
    assert pids() == before
    written, door = lines(), "https" if stack.edge.serves_tls else "http"
    host.run("curl -sk -m 5 %s", f"{door}://{stack.edge.answers_at(door)}/rtc/validate")  # "/" is not logged
    count = "$(journalctl -q -o cat -u livekit-edge | wc -l)"
    awaited = f'for i in $(seq 100); do [ "{count}" -gt "$1" ] && exit; sleep 0.1; done; exit 1'
    host.check_output("sh -c %s sh %s", awaited, str(written))
