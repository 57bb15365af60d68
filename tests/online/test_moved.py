"""Ports and passwords that change under a call: the slot that drains goes on with those it was started with.

Media ports stay open and Redis stays where it was until the slot has ended; what nobody uses any more is closed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.report import Report
from livekit_metal.core.ports import PortRange
from tests.host import vantages
from tests.support.calls.background_call import Talk, talking
from tests.support.calls.slots import Slot, draining, ended, serving
from tests.support.hosts.deploys import deploy, unchanging, variant
from tests.support.hosts.lab import INVENTORY, ROOT, Lab, lab, over_ssh
from tests.support.hosts.redis_forwarder import UNIT, unused

FIRST = lab().site.with_role("livekit")[0]
LAST = lab().site.with_role("livekit")[-1]  # in a cluster Redis is on another host
REDIS = lab().site.with_role("redis")[0]
OLD = lab().site.redis.port.first
NEW = OLD + 1000
LEADS = "goes on leading to Redis for slots of an earlier deploy"
STAYS = "stays open: still bound by a slot of an earlier deploy"


def _beside(old: PortRange) -> PortRange:
    return PortRange(old.last + 100, old.last + 99 + len(old))


@pytest.fixture
def moved(tmp_path: Path, lab: Lab) -> Iterator[Path]:
    """The site with other ports; in the end they are what they were, and nothing is left of the others."""
    livekit = lab.site.livekit
    new = {"media_udp": str(_beside(livekit.media_udp)), "ice_tcp": str(_beside(livekit.ice_tcp))}
    yield variant(tmp_path, {"redis": {"port": NEW}, "livekit": new})
    assert deploy().status == 0
    closed(NEW)
    unchanging()


def closed(port: int, inventory: str | Path = INVENTORY) -> None:
    """Deploy when no slot drains and nobody uses the port of Redis any more: nobody listens on it afterwards."""
    redis = over_ssh(REDIS)
    drained(lab().site.with_role("livekit"))
    unused(redis)
    told = deploy(inventory)
    assert told.status == 0, told.text
    assert redis.check_output("ss -Hltn 'sport = :%s'", str(port)) == ""
    assert not redis.file(f"/etc/systemd/system/{UNIT}").exists


def drained(names: Iterable[str]) -> None:
    """Wait until no slot of these hosts drains."""
    for name in names:
        for unit in draining(name):
            ended(name, unit)


def redis_ports(host: Host, slot: Slot) -> set[int]:
    """The ports of Redis that a slot is connected to."""
    pid = host.check_output("systemctl show -p MainPID --value %s", slot.unit)
    lines = host.check_output("ss -Htnp state established '( dport = :%s or dport = :%s )'", str(OLD), str(NEW))
    return {int(line.split()[3].rpartition(":")[2]) for line in lines.splitlines() if f"pid={pid}," in line}


def listeners(host: Host) -> set[str]:
    """Where Redis, or what leads to it, listens."""
    return {line.split()[3] for line in host.check_output("ss -Hltn 'sport = :%s'", str(OLD)).splitlines()}


def reached(lab: Lab, port: int) -> set[str]:
    """Other hosts of the site, and "outside", that get through to a port of Redis' host."""
    address = lab.site.hosts[REDIS].cluster_address
    knock = f"timeout 2 bash -c '</dev/tcp/{address}/{port}'"
    found = {name for name in lab.site.hosts if name != REDIS and over_ssh(name).run(knock).rc == 0}
    taken, refused = vantages.outside(lab).probe(address, {("tcp", port)})
    return found | ({"outside"} if taken | refused else set())


Places = set[tuple[str, int]]


def strangers(lab: Lab, ports: PortRange) -> tuple[Places, Places]:
    """(host, port) where a stranger, to whom nothing was established before, is taken in; where he is let through."""
    tried = {("tcp", n) for n in range(ports.first, ports.last + 1)}
    all_taken, all_through = set(), set()
    for name in lab.site.with_role("livekit"):
        taken, refused = vantages.outside(lab).probe(lab.site.hosts[name].address, tried)
        all_taken |= {(name, n) for _, n in taken}
        all_through |= {(name, n) for _, n in taken | refused}
    return all_taken, all_through


def late(talk: Talk, slot: Slot) -> None:
    """Two more join the room while its slot drains: they come through another, and Redis brings them together."""

    async def more() -> Report:
        async with Call(talk.access, room=talk.call.room, publish_through=LAST, subscribe_through=LAST) as call:
            assert (await call.where()).id == slot.node
            return await call.stop()

    report = asyncio.run(more())
    assert report.ok, report.table()


def drains(slot: Slot) -> bool:
    return bool(over_ssh(LAST).run(f"systemctl is-active {slot.unit}").stdout.strip() == "deactivating")


def test_ports_move_under_a_call(access: Access, control: Access, lab: Lab, moved: Path) -> None:
    before, there, names = serving(lab.site, LAST), over_ssh(LAST), lab.site.with_role("livekit")
    media, others = lab.site.livekit.ice_tcp, {*names} - {REDIS}
    assert strangers(lab, media)[1] == {(name, n) for name in names for n in range(media.first, media.last + 1)}
    # on the host that it enters through: the edge of another would lose its signalling with its empty slot
    with talking(access, control, before.node, LAST) as talk:
        told = deploy(moved)
        assert told.status == 0, told.text
        assert STAYS in told.text
        assert LEADS in told.text
        assert drains(before)
        assert strangers(lab, media)[0], "the slot with the call takes who comes late"
        assert redis_ports(there, before) == {OLD}
        assert redis_ports(there, serving(lab.site, LAST)) == {NEW}
        late(talk, before)
        assert reached(lab, OLD) == reached(lab, NEW) == others
        drained(name for name in names if name != LAST)
        assert deploy(moved).status == 0, "hosts without a call close what their old slots had"
        unchanging(moved)
        assert redis_ports(there, before) == {OLD}
        talk.unnoticed()
    closed(OLD, moved)
    assert reached(lab, OLD) == set()
    assert strangers(lab, media) == (set(), set())
    unchanging(moved)


@pytest.mark.skipif(len(lab().site.hosts) > 1, reason="with several hosts Redis is on the cluster's address already")
def test_redis_gets_the_address_of_a_cluster_under_a_call_and_gives_it_up_under_another(
    access: Access, control: Access, lab: Lab, tmp_path: Path
) -> None:
    """One host grows, and shrinks again. The second host needs not be there: nothing is asked of it."""
    first, there = lab.site.hosts[FIRST], over_ssh(LAST)
    second = {"address": str(ipaddress.ip_address(first.address) + 1), "roles": ["livekit"]}
    grown = variant(tmp_path, {"hosts": {"second": second}})
    alone, both = f"127.0.0.1:{OLD}", f"{first.cluster_address}:{OLD}"

    def changed(*words: str | Path) -> str:
        """What a deploy said, under a call that does not notice it."""
        slot = serving(lab.site, LAST)
        with talking(access, control, slot.node, LAST) as talk:
            told = deploy(*words)
            assert told.status == 0, told.text
            assert drains(slot)
            late(talk, slot)
            talk.unnoticed()
        assert listeners(there) == {alone, both}
        ended(LAST, slot.unit)
        return told.text

    try:
        assert LEADS not in changed(grown, "--limit", FIRST), "Redis is where it was, and elsewhere too"
        assert f"{both} {LEADS}" in changed(INVENTORY)
    finally:
        assert deploy().status == 0
    unused(there)
    assert deploy().status == 0
    assert listeners(there) == {alone}
    unchanging()


def users() -> set[str]:
    """The users of livekit-server that Redis would start with."""
    acl = over_ssh(REDIS).file(f"{lab().site.paths.config}/redis/users.acl").content_string
    return {line.split()[1] for line in acl.splitlines() if line.startswith("user livekit-")}


def test_a_password_ends_under_a_call_when_the_call_has_ended(access: Access, control: Access, lab: Lab) -> None:
    before, redis = serving(lab.site, LAST), over_ssh(REDIS)
    (old,) = users()
    with talking(access, control, before.node, LAST) as talk:
        for verb in ("rotate", "retire"):
            command = [sys.executable, "-m", "procedures.secrets", INVENTORY, verb, "redis"]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            told = deploy()
            assert told.status == 0, told.text
            assert len(users()) == 2
        stays = f"the retired password stays valid: a slot of an earlier deploy is logged in by it (user {old})"
        assert stays in told.text
        unchanging()
        redis.check_output("timeout 30 systemctl restart livekit-redis")  # now the slot has to log in again
        late(talk, before)
        talk.unnoticed()
    ended(LAST, before.unit)
    unused(redis)
    assert deploy().status == 0
    assert users().isdisjoint({old})
    assert len(users()) == 1
    unchanging()
