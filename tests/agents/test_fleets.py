"""Several fleets on a host: each with workers of its own, and none left when the inventory has it no longer."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from lab.run import wait_until
from tests.agents.conftest import ECHO, Change, Talking, deployed
from tests.support.calls import workers
from tests.support.hosts.deploys import unchanging


@pytest.mark.usefixtures("back")
def test_a_second_fleet_comes_and_goes_and_the_first_does_not_notice(
    talking: Talking, change: Change, first: Host
) -> None:
    slot = workers.serving(first)
    before = workers.pid(first, slot)
    second = {"source": {"python": str(ECHO)}, "health": "9630-9632", "agent_name": "second-echo"}
    with talking() as talk:
        deployed(change({"agents": {"second": second}}))
        assert first.check_output("curl -sf http://127.0.0.1:9630/") == "OK"
        assert '"agent_name": "second-echo"' in first.check_output("curl -sf http://127.0.0.1:9630/worker")
        assert first.check_output("stat -c %U /proc/$(systemctl show -p MainPID --value livekit-agents-second@a)")
        own = "$(readlink /proc/$(systemctl show -p MainPID --value livekit-agents-second@a)/cwd)/../site/livekit"
        assert first.check_output(f"find {own} -name '*.py' -links 1") == "", "the first one's packages were lent"
        deployed()
        asked = "systemctl is-active livekit-agents-second@a"
        ended = wait_until(lambda: first.run(asked).stdout.strip() == "inactive", 60, every=0.3)
        assert ended, "it has no job and does not end"
        deployed()
        assert first.run("ls -d /etc/systemd/system/*agents-second* /opt/livekit/agents-second").stdout == ""
        assert first.run("getent passwd livekit-agents-second").rc != 0
        unchanging()
        assert (workers.serving(first), workers.pid(first, slot)) == (slot, before)
        talk.unnoticed()
