"""A host behind 1:1 NAT, with a bridge of containers and a tunnel on it: what clients are told, and who hears whom.

The NAT is this machine: an address beside the lab's that leads to the host. First without hairpin NAT.
"""

from __future__ import annotations

import asyncio
import ipaddress
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.errors import CallError
from livekit_metal.call.join_info import announced
from livekit_metal.call.server import pinned
from livekit_metal.site import inventory
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.doctor import doctor, failing
from tests.support.hosts.lab import Lab, lab, over_ssh
from tests.support.hosts.status import hosts, status

FIRST = lab().site.with_role("livekit")[0]
INSIDE = {"docker0": "172.17.0.1", "wg0": "10.8.0.1"}

pytestmark = pytest.mark.skipif(
    len(lab().site.hosts) > 1 or lab().site.edge.encrypted, reason="one host without TLS shows all there is"
)


@dataclass(frozen=True)
class Behind:
    """The site as deployed behind NAT; ``public`` leads to ``inner``, and ``said`` is what its deploy told."""

    access: Access
    inventory: str
    public: str
    inner: str
    table: str
    said: str
    link: Path  # whether the bridge sends back to the host what came from it

    def hairpin(self) -> None:
        """Have the NAT bring back what the host sends to its public address, as from there."""
        # where bridges pass by nft (br_netfilter), the packet has to leave by the link that it came from
        self.link.write_text("1")
        turned = f"ip saddr {self.inner} ip daddr {self.inner} snat to {self.public}"
        nft(f"table ip {self.table} {{ chain back {{ type nat hook postrouting priority srcnat; {turned}; }}; }}")


def nft(rules: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


@pytest.fixture(scope="module")
def behind(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    network, inner, bridge = lab.facts["network"], lab.site.hosts[FIRST].address, f"lkm-{lab.facts['name']}"
    public, table = str(ipaddress.ip_network(network)[200]), f"lkm_{lab.facts['name']}_nat"
    host = over_ssh(FIRST)
    leads = "".join(
        f"chain {hook} {{ type nat hook {hook} priority -100; ip daddr {public} dnat to {inner}; }}; "
        for hook in ("prerouting", "output")
    )
    with ExitStack() as undone:
        undone.callback(restored)
        for name, at in INSIDE.items():
            host.check_output(f"ip link add {name} type bridge")
            undone.callback(host.check_output, f"ip link del {name}")
            host.check_output(f"ip addr add {at}/24 dev {name}; ip link set {name} up")
        subprocess.run(["ip", "address", "add", f"{public}/32", "dev", bridge], check=True)
        undone.callback(subprocess.run, ["ip", "address", "del", f"{public}/32", "dev", bridge], check=True)
        nft(f"table ip {table} {{ {leads} }}")
        undone.callback(nft, f"delete table ip {table}")
        link = Path(f"/sys/class/net/vb-{lab.facts['name']}-{FIRST}/brport/hairpin_mode")
        undone.callback(link.write_text, "0")
        made = variant(tmp_path_factory.mktemp("nat"), {"hosts": {FIRST: {"public": public}}})
        told = deploy(made)
        assert told.status == 0, told.text
        yield Behind(Access.of(inventory.read(made)), str(made), public, inner, table, told.text, link)


def restored() -> None:
    told = deploy()
    assert told.status == 0, told.text


def heard(behind: Behind, path: Literal["udp", "tcp", "turn-udp"]) -> bool:
    """Whether a call comes up whose media goes this way only."""

    async def made() -> bool:
        try:
            async with Call(behind.access, path=path) as call:
                await asyncio.sleep(1)
                return not list((await call.stop()).problems())
        except CallError:
            return False

    return asyncio.run(made())


def test_clients_are_told_the_public_address_and_no_other(behind: Behind, lab: Lab) -> None:
    async def told() -> tuple[set[str], set[str]]:
        room = await pinned(behind.access, serving(lab.site, FIRST).node)
        async with announced(behind.access, room) as one:
            return {a for a, _ in (*one.udp, *one.tcp)}, {server.url.partition("?")[0] for server in one.servers}

    media, servers = asyncio.run(told())
    assert media == {behind.public}
    assert {url.rpartition(":")[0] for url in servers} == {f"turn:{behind.public}"}


def test_media_is_bound_to_the_address_behind_it_alone(behind: Behind, lab: Lab) -> None:
    first, last = lab.site.livekit.media_udp.first, lab.site.livekit.media_udp.last
    sockets = over_ssh(FIRST).check_output(f"ss -Hlun 'sport >= :{first} and sport <= :{last}'").splitlines()
    assert {line.split()[3].rpartition(":")[0] for line in sockets} == {behind.inner}


def test_calls_get_through_and_relays_only_with_hairpin(behind: Behind) -> None:
    assert f"{FIRST} sends to its public address {behind.public} does not come back (no hairpin NAT)" in behind.said
    assert "clients that can only use TURN will hear nothing" in behind.said
    assert heard(behind, "udp")
    assert heard(behind, "tcp")
    code, rows = doctor(inventory=behind.inventory)
    assert (code, failing(rows)) == (1, [("hairpin", FIRST)])
    follows = [(row["check"], row["because"]) for row in rows if row["result"] == "follows"]
    assert follows == [("turn-udp", f"hairpin {FIRST}")], "relayed calls are silent, and why"
    behind.hairpin()
    assert heard(behind, "turn-udp")
    code, rows = doctor(inventory=behind.inventory)
    assert (code, failing(rows)) == (0, [])


def test_status_shows_what_is_told_and_what_takes_it(behind: Behind) -> None:
    found = f"clients are told {behind.public}; comes in at {behind.inner} (host0); not at "
    media = hosts(behind.inventory)[FIRST]["media"]
    assert media.startswith(found)
    assert all(f"{address} ({name})" in media for name, address in INSIDE.items())
    assert found in status(behind.inventory).text


def test_filters_that_leave_no_address_are_refused(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = variant(tmp_path_factory.mktemp("nowhere"), {"hosts": {FIRST: {"ips": ["198.51.100.0/24"]}}})
    deploy(nowhere).refused(f"hosts.{FIRST}.ips: no IPv4 address is left for media", "widen ips or interfaces")
