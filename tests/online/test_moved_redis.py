"""Redis moves under a call: the slot that drains goes on with the address and the password it was started with."""

from __future__ import annotations

import asyncio
import ipaddress
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from procedures.call import Access, Call, Report
from tests.deploys import deploy, unchanging, variant
from tests.formerly import UNIT, unused
from tests.host import vantages
from tests.lab import INVENTORY, ROOT, Lab, lab, over_ssh
from tests.slots import Slot, ended, pinned, serving

FIRST = lab().site.with_role("livekit")[0]
LAST = lab().site.with_role("livekit")[-1]  # in a cluster Redis is on another host
REDIS = lab().site.with_role("redis")[0]
OLD = lab().site.redis.port.first
NEW = OLD + 1000
LEADS = "goes on leading to Redis for slots of an earlier deploy"


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[Path]:
    """The site with its Redis on another port; in the end it is where it was, and nothing listens where it has been."""
    yield variant(tmp_path, {"redis": {"port": NEW}})
    assert deploy().status == 0
    closed(NEW)
    unchanging()


def closed(port: int, inventory: Path | None = None) -> None:
    """Deploy when nobody uses the port any more, and have nobody listen on it afterwards."""
    redis = over_ssh(REDIS)
    unused(redis)
    told = deploy(inventory) if inventory else deploy()
    assert told.status == 0, told.text
    assert redis.check_output("ss -Hltn 'sport = :%s'", str(port)) == ""
    assert not redis.file(f"/etc/systemd/system/{UNIT}").exists


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


async def late(access: Access, call: Call, slot: Slot) -> Report:
    """Two more who join the room while its slot drains: they come through another, and Redis brings them together."""
    async with Call(access, room=call.room, publish_through=LAST, subscribe_through=LAST) as more:
        assert (await more.where()).id == slot.node
        return await more.stop()


def test_redis_moves_under_a_call(access: Access, lab: Lab, moved: Path) -> None:
    before, there = serving(lab.site, LAST), over_ssh(LAST)
    others = set(lab.site.with_role("livekit")) - {REDIS}

    async def scenario() -> tuple[Report, Report]:
        async with await pinned(access, before.node, LAST) as call:
            told = await asyncio.to_thread(deploy, moved)
            assert told.status == 0, told.text
            assert LEADS in told.text
            assert there.run(f"systemctl is-active {before.unit}").stdout.strip() == "deactivating"
            assert redis_ports(there, before) == {OLD}
            assert redis_ports(there, serving(lab.site, LAST)) == {NEW}
            joined = await late(access, call, before)
            assert reached(lab, OLD) == reached(lab, NEW) == others
            await asyncio.to_thread(unchanging, moved)
            return await call.stop(), joined

    report, joined = asyncio.run(scenario())
    assert report.events == (), report.table()
    assert report.ok, report.table()
    assert joined.ok, joined.table()
    ended(LAST, before.unit)
    closed(OLD, moved)
    assert reached(lab, OLD) == set()
    unchanging(moved)


@pytest.mark.skipif(len(lab().site.hosts) > 1, reason="with several hosts Redis is on the cluster's address already")
def test_redis_gets_the_address_of_a_cluster_under_a_call_and_gives_it_up_under_another(
    access: Access, lab: Lab, tmp_path: Path
) -> None:
    """One host grows, and shrinks again. The second host needs not be there: nothing is asked of it."""
    first, there = lab.site.hosts[FIRST], over_ssh(LAST)
    second = {"address": str(ipaddress.ip_address(first.address) + 1), "roles": ["livekit"]}
    grown = variant(tmp_path, {"hosts": {"second": second}})
    alone, both = f"127.0.0.1:{OLD}", f"{first.cluster_address}:{OLD}"

    async def change(call: Call, slot: Slot, *words: str | Path) -> tuple[str, Report, Report]:
        told = await asyncio.to_thread(deploy, *words)
        assert told.status == 0, told.text
        assert there.run(f"systemctl is-active {slot.unit}").stdout.strip() == "deactivating"
        joined = await late(access, call, slot)
        return told.text, joined, await call.stop()

    async def scenario() -> list[Report]:
        before = serving(lab.site, LAST)
        async with await pinned(access, before.node, LAST) as call:
            said, *reports = await change(call, before, grown, "--limit", FIRST)
        assert LEADS not in said, "Redis is where it was, and elsewhere too"
        assert listeners(there) == {alone, both}
        ended(LAST, before.unit)
        between = serving(lab.site, LAST)
        async with await pinned(access, between.node, LAST) as call:
            said, *more = await change(call, between)
        assert f"{both} {LEADS}" in said
        assert listeners(there) == {alone, both}
        ended(LAST, between.unit)
        return reports + more

    try:
        for report in asyncio.run(scenario()):
            assert report.events == (), report.table()
            assert report.ok, report.table()
    finally:
        assert deploy().status == 0
    unused(there)
    assert deploy().status == 0
    assert listeners(there) == {alone}
    unchanging()


@pytest.fixture
def secrets(lab: Lab) -> Iterator[Callable[[str], None]]:
    """``secrets(verb)`` does that to Redis' password. In the end it is that of before, as other tests expect."""
    assert lab.site.vault is not None
    file = lab.site.vault.path
    before = file.read_bytes()

    def do(verb: str) -> None:
        command = [sys.executable, "-m", "procedures.secrets", INVENTORY, verb, "redis"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    yield do
    slots = {name: serving(lab.site, name) for name in lab.site.with_role("livekit")}
    file.write_bytes(before)
    assert deploy().status == 0
    for name, slot in slots.items():
        if serving(lab.site, name) != slot:
            ended(name, slot.unit)
    unused(over_ssh(REDIS))
    assert deploy().status == 0
    unchanging()


def users() -> set[str]:
    """The users of livekit-server that Redis would start with."""
    acl = over_ssh(REDIS).file(f"{lab().site.paths.config}/redis/users.acl").content_string
    return {line.split()[1] for line in acl.splitlines() if line.startswith("user livekit-")}


def test_a_password_ends_under_a_call_when_the_call_has_ended(
    access: Access, lab: Lab, secrets: Callable[[str], None]
) -> None:
    before, redis = serving(lab.site, LAST), over_ssh(REDIS)
    (old,) = users()

    async def scenario() -> tuple[Report, Report]:
        async with await pinned(access, before.node, LAST) as call:
            for verb in ("rotate", "retire"):
                await asyncio.to_thread(secrets, verb)
                told = await asyncio.to_thread(deploy)
                assert told.status == 0, told.text
                assert len(users()) == 2
            assert f"the retired password stays valid: a slot of an earlier deploy is logged in by it (user {old})" in (
                told.text
            )
            await asyncio.to_thread(unchanging)
            # now the slot has to log in anew
            await asyncio.to_thread(redis.check_output, "timeout 30 systemctl restart livekit-redis")
            joined = await late(access, call, before)
            return await call.stop(), joined

    report, joined = asyncio.run(scenario())
    assert report.events == (), report.table()
    assert report.ok, report.table()
    assert joined.ok, joined.table()
    ended(LAST, before.unit)
    unused(redis)
    assert deploy().status == 0
    assert users().isdisjoint({old})
    assert len(users()) == 1
    unchanging()
