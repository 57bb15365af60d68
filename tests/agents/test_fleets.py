"""Several fleets on a host: each with workers of its own, and none left when the inventory has it no longer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from lab.run import wait_until
from tests.agents.conftest import ECHO, ECHO_NODE, Change, Talking, deployed, served
from tests.support.calls import workers
from tests.support.hosts.deploys import unchanging
from tests.support.hosts.lab import Lab

# What begins on the host gets to the lab's bridge and nowhere else.
_ALONE = """nft -f - <<'END'
table inet lkm_test_alone {{ chain out {{ type filter hook output priority -10;
  oifname lo accept; ct state established,related accept; ip daddr {} accept; reject
}}
}}
END"""


@pytest.fixture
def alone(first: Host, lab: Lab) -> Iterator[None]:
    """The first host has no network but its site and the clients of the site."""
    first.check_output(_ALONE.format(ipaddress.ip_network(f"{lab.facts['gateway']}/24", strict=False)))
    yield
    first.check_output("nft delete table inet lkm_test_alone")


@pytest.mark.usefixtures("back", "alone")
@pytest.mark.parametrize("source", [{"python": str(ECHO)}, {"node": str(ECHO_NODE)}], ids=["python", "node"])
def test_a_host_without_any_other_network_gets_a_fleet_and_serves(
    talking: Talking, change: Change, first: Host, source: dict[str, str]
) -> None:
    assert first.run("timeout 3 bash -c '</dev/tcp/192.0.2.1/443'").rc != 0
    deployed(change({"agents": {"island": {"source": source, "health": "9640-9642", "speaks": True}}}))
    with talking("island") as talk:
        served(talk, talking, "island")
        talk.unnoticed()


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
