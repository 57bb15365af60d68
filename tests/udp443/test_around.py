"""Around UDP 443 on a host: who else has it, rules that are gone, deploys that died, a reboot, doctor and status."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.roles.livekit.redirect import Redirect
from livekit_metal.roles.livekit.turn import REDIRECT_UNIT
from tests.support.hosts import status
from tests.support.hosts.deploys import deploy, unchanging
from tests.support.hosts.doctor import doctor, failing
from tests.support.hosts.lab import ROOT
from tests.udp443.conftest import FIRST, Ground

QUIC = 'my $s = IO::Socket::INET->new(LocalPort => 443, Proto => "udp") or die; sleep 900'
ROWS = {"udp-443", "turn-udp-443"}


def led(ground: Ground) -> bool:
    return bool(ground.host.run("sh /etc/livekit-metal/udp-443.sh check").rc == 0)


@pytest.fixture
def theirs(ground: Ground) -> Iterator[None]:
    """Somebody else's HTTP/3."""
    ground.host.check_output("systemd-run -q --unit=tests-quic perl -MIO::Socket::INET -e %s", QUIC)
    assert wait_until(lambda: ground.host.run("ss -Hlun 'sport = :443' | grep -q .").rc == 0, 10)
    yield
    ground.host.run("systemctl stop tests-quic")


@pytest.mark.usefixtures("theirs")
def test_a_deploy_where_somebody_else_has_the_port_is_refused() -> None:
    deploy().refused("443/udp of livekit/turn is taken by perl", "livekit.turn.udp_443")


def test_a_rule_that_leads_the_port_elsewhere_is_refused(ground: Ground) -> None:
    rule = "udp dport 443 dnat ip to 10.88.0.5:443"
    chain = f"chain in {{ type nat hook prerouting priority dstnat; ip daddr 192.0.2.1 {rule}; }}"
    ground.host.check_output("nft %s", f"table ip theirs {{ {chain}; }}")
    try:
        deploy().refused("443/udp of livekit/turn is led elsewhere by a rule", "dnat")
    finally:
        ground.host.check_output("nft delete table ip theirs")


def test_relays_that_come_by_443_lead_to_media_alone(access: Access) -> None:
    """The doctor tries every server that clients are told of as a guest would, 443 among them."""
    _, rows = doctor()
    assert not failing(rows), failing(rows)
    assert {row["check"] for row in rows} >= ROWS | {"relay"}


def test_rules_that_are_gone_are_missed_and_a_deploy_brings_them_back(ground: Ground) -> None:
    ground.host.check_output(f"nft delete table inet {Redirect.table}")
    _, rows = doctor()
    assert [row["check"] for row in rows if row["result"] == "failed"] == ["udp-443"]
    assert [row["check"] for row in rows if row["result"] == "follows"] == ["turn-udp-443"]
    (line,) = [line for line in status.hosts()[FIRST]["lines"] if line.startswith("UDP 443: ")]
    assert "does not lead to the active slot: deploy" in line
    told = deploy()
    assert told.status == 0
    assert "livekit: UDP 443 leads to the active slot" in told.text
    assert led(ground)
    unchanging()


def test_a_deploy_that_died_between_the_slot_and_the_rules_is_finished(ground: Ground) -> None:
    """The active file is another, and the rules are the earlier ones."""
    ground.host.check_output(
        "cp /etc/livekit-metal/active.map /run/tests-active; sed -i '/^livekit /d' /etc/livekit-metal/active.map; "
        "sh /etc/livekit-metal/udp-443.sh; cp /run/tests-active /etc/livekit-metal/active.map"
    )
    assert not led(ground)
    assert deploy().status == 0
    assert led(ground)


def test_a_reboot_leads_it_to_the_active_slot_before_the_network_is_there(ground: Ground) -> None:
    subprocess.run([sys.executable, "-m", "lab", "reboot", FIRST], cwd=ROOT, check=True, timeout=300)
    assert led(ground)
    began = "systemctl show -p ExecMainExitTimestampMonotonic --value %s"
    network = "systemctl show -p ActiveEnterTimestampMonotonic --value network.target"
    assert int(ground.host.check_output(began, REDIRECT_UNIT)) < int(ground.host.check_output(network))
    assert ground.host.check_output("systemctl show -p Result --value %s", REDIRECT_UNIT) == "success"
