"""From where a new slot is proved: on its host, and what is told when the way there is shut (peers: cluster/)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change, From, callers
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import deploy, unchanging
from tests.support.hosts.lab import lab

SERVING = [name for name, host in lab().site.hosts.items() if "livekit" in host.roles]
FIRST = SERVING[0]
TABLE = "tests_vantage"


def packs(host: Host, site: Site) -> list[str]:
    said: str = host.run(f"ls -1 {site.paths.releases}/probe").stdout
    return said.splitlines()


def filtered(first: Host, rules: str) -> None:
    first.run_test(f"nft delete table inet {TABLE}")
    first.check_output("printf %s | nft -f -", f"table inet {TABLE} {{\n{rules}\n}}\n")


@pytest.fixture
def wall(site: Site, first: Host) -> Iterator[Callable[[], None]]:
    """Shuts the first host's media ports and relays for all but the hosts: we send from any of our addresses."""
    livekit = site.livekit
    inside = ", ".join(host.address for host in site.hosts.values())
    rules = (
        "chain input { type filter hook input priority -10; policy accept; iif lo accept; "
        f"ip saddr {{ {inside} }} accept; udp dport {{ {livekit.media_udp}, {livekit.turn_udp} }} drop; "
        f"tcp dport {livekit.ice_tcp} drop; }}"
    )
    yield lambda: filtered(first, rules)
    first.run_test(f"nft delete table inet {TABLE}")


@pytest.fixture
def mute(site: Site, first: Host) -> Iterator[Callable[[], None]]:
    """Has livekit-server on the first host send no media, as a broken release would."""
    livekit = site.livekit
    rules = (
        "chain output { type filter hook output priority -10; policy accept; "
        f"meta skuid livekit udp sport {livekit.media_udp} drop; "
        f"meta skuid livekit tcp sport {livekit.ice_tcp} drop; }}"
    )
    yield lambda: filtered(first, rules)
    first.run_test(f"nft delete table inet {TABLE}")


def test_a_slot_is_proved_on_its_own_host(probing: From, hosts: Mapping[str, Host], site: Site) -> None:
    began, inventory = time.time(), probing("host")
    assert deploy(inventory).status == 0
    assert callers(hosts, began) == [name for name in SERVING for _ in range(2)], "alone, and in the cluster"
    for name in SERVING:
        assert len(packs(hosts[name], site)) == 1
    unchanging(inventory)
    assert deploy().status == 0
    assert packs(hosts[FIRST], site) == [], "it stays where it is used only"


def test_a_vantage_without_a_way_stops_the_deploy_and_another_one_serves(
    probing: From, wall: Callable[[], None], first: Host, site: Site
) -> None:
    before = serving(site, FIRST)
    wall()
    told = deploy(probing("controller"))
    told.refused(
        "livekit.probe: ", "from the controller", f"reaches {site.hosts[FIRST].address}", "set livekit.probe to"
    )
    assert serving(site, FIRST) == before, "the old slot serves on"
    assert deploy(probing("host")).status == 0
    assert serving(site, FIRST) != before


def test_a_release_that_carries_no_media_is_not_blamed_on_the_way(
    probing: From, mute: Callable[[], None], site: Site
) -> None:
    before = serving(site, FIRST)
    mute()
    told = deploy(probing("controller"))
    told.refused("livekit.release: media does not flow through the release although UDP and TCP get through")
    assert serving(site, FIRST) == before


def test_a_host_that_cannot_reach_its_public_address_is_told_before_anything_changes(
    change: Change, first: Host, site: Site
) -> None:
    before = serving(site, FIRST)
    nowhere = {"hosts": {FIRST: {"public": "192.0.2.99"}}, "livekit": {"probe": "host"}}
    told = deploy(change(nowhere))
    told.refused("livekit.probe: ", f"what {FIRST} sends to its public address 192.0.2.99 does not come back")
    assert serving(site, FIRST) == before


def test_the_key_is_in_no_argument_list(probing: From, first: Host, site: Site) -> None:
    """What runs on the host meanwhile is written down there, every 20 ms."""
    assert site.vault is not None
    watch = "while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; sleep 0.02; done >/run/tests-seen"
    first.check_output("systemd-run -q --unit=tests-watch sh -c %s", watch)
    try:
        assert deploy(probing("host")).status == 0
    finally:
        first.check_output("systemctl stop tests-watch")
    seen = "grep -ac %s /run/tests-seen || :"
    assert int(first.check_output(seen, "livekit_metal.call")) > 0, "else nothing was proved"
    assert first.check_output(seen, site.vault.api_secret.reveal()) == "0"
    first.check_output("rm /run/tests-seen")


def test_where_sshd_forwards_nothing_the_remedy_is_told(probing: From, first: Host, site: Site) -> None:
    before, place = serving(site, FIRST), "/etc/ssh/sshd_config.d/00-tests.conf"
    first.check_output(f"echo 'AllowTcpForwarding no' >{place}; systemctl reload ssh")
    try:
        told = deploy(probing("controller"))
        told.refused(f"the sshd of {FIRST} forwards no TCP", "set AllowTcpForwarding yes there, or the probe to host")
        assert serving(site, FIRST) == before
        assert deploy(probing("host")).status == 0
    finally:
        first.check_output(f"rm {place}; systemctl reload ssh")
