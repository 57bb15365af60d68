"""Media ports that move under a call: those of the old slot stay open while it serves, and are closed afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures.call import Access, Report
from stack.ports import PortRange
from tests.deploys import deploy, unchanging, variant
from tests.host import vantages
from tests.lab import Lab, over_ssh
from tests.slots import pinned, serving

STAYS = "stays open: still bound by a slot of an earlier deploy"


def _beside(old: PortRange) -> PortRange:
    return PortRange(old.last + 100, old.last + 99 + len(old))


@pytest.fixture
def moved(tmp_path: Path, lab: Lab) -> Iterator[Path]:
    """The site with other media ports; its own ones come back in the end."""
    livekit = lab.site.livekit
    new = {"media_udp": str(_beside(livekit.media_udp)), "ice_tcp": str(_beside(livekit.ice_tcp))}
    yield variant(tmp_path, {"livekit": new})
    assert deploy().status == 0
    _until_free(lab, _beside(livekit.ice_tcp))
    assert deploy().status == 0
    unchanging()


def _until_free(lab: Lab, ports: PortRange) -> None:
    """Wait until no slot listens on any of the TCP ports."""
    bound = f'{{ sub(/.*:/, "", $4); if ($4 >= {ports.first} && $4 <= {ports.last}) found = 1 }} END {{ exit !found }}'
    for name in lab.site.with_role("livekit"):
        over_ssh(name).check_output("while ss -Hltn | awk %s; do sleep 0.2; done", bound)


def _strangers(lab: Lab, ports: PortRange) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """(host, port) where a stranger, to whom nothing was established before, is taken in; where he is let through."""
    tried = {("tcp", n) for n in range(ports.first, ports.last + 1)}
    all_taken, all_through = set(), set()
    for name in lab.site.with_role("livekit"):
        taken, refused = vantages.outside(lab).probe(lab.site.hosts[name].address, tried)
        all_taken |= {(name, n) for _, n in taken}
        all_through |= {(name, n) for _, n in taken | refused}
    return all_taken, all_through


def test_ports_of_a_draining_slot_stay_open_until_it_ends(access: Access, lab: Lab, moved: Path) -> None:
    old, names = lab.site.livekit.ice_tcp, lab.site.with_role("livekit")
    first = names[0]
    assert _strangers(lab, old)[1] == {(name, n) for name in names for n in range(old.first, old.last + 1)}

    async def scenario() -> tuple[set[tuple[str, int]], Report]:
        # on the host that it enters through: the edge of another would lose its signalling with its empty slot
        async with await pinned(access, serving(lab.site, first).node, first) as call:
            told = await asyncio.to_thread(deploy, moved)
            assert told.status == 0, told.text
            assert STAYS in told.text
            still, _ = await asyncio.to_thread(_strangers, lab, old)
            return still, await call.stop()

    still, report = asyncio.run(scenario())
    assert still, "the slot with the call takes who comes late"
    assert report.ok, report.table()
    assert report.events == (), report.table()
    _until_free(lab, old)
    assert deploy(moved).status == 0
    assert _strangers(lab, old) == (set(), set())
