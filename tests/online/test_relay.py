"""What a guest's relays reach on the deployed hosts: media of the site's nodes, and nothing else.

Tried by each way to TURN (UDP, TLS) with relays of both kinds (UDP, TCP), everywhere at once: listeners stand on what
no daemon has, and media's own are the control that something would arrive. Then once without the kernel's rules and
once without TURN's list, because each has to hold alone what it can.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.join_info import IceServer
from livekit_metal.call.server import trusted
from livekit_metal.core.ports import Proto
from livekit_metal.diagnosis.from_client import guest
from livekit_metal.diagnosis.from_client.guest import TCP, UDP, Guest, Place
from tests.host.vantages import Ports, listening, samples
from tests.support.calls.slots import serving
from tests.support.calls.turn import told
from tests.support.hosts.lab import Lab, lab, over_ssh

HOSTS = lab().site.with_role("livekit")
TABLE = "inet livekit_metal"
FORBIDDEN = 403
ROUNDS = 3  # a datagram may be lost, and its answer
OUTSIDE = ("203.0.113.5", "100.100.100.200", "168.63.129.16", "127.0.0.1", "169.254.169.254")


@dataclass(frozen=True)
class Turn:
    """TURN of one slot of a host, and how to get there."""

    host: str
    slot: str
    server: IceServer
    ways: tuple[Place, ...]


@pytest.fixture(params=HOSTS)
def turn(request: pytest.FixtureRequest, access: Access, lab: Lab) -> Turn:
    """Of the slot that serves. The credentials are good at every slot of the site: they come from its keys."""
    host, livekit = request.param, lab.site.livekit
    slot = serving(lab.site, host).unit.partition("@")[2].removesuffix(".service")
    servers, address = told(access), lab.site.hosts[host].public_address
    port, name = livekit.part("turn-udp", slot).first, livekit.turn.name(host)
    ways = (Place(address, port), *([Place(address, lab.site.edge.https.first, name)] if name else []))
    return Turn(host, slot, IceServer(f"turn of {host}", servers.username, servers.credential), ways)


@asynccontextmanager
async def relays(turn: Turn, access: Access, transport: int) -> AsyncIterator[list[Guest]]:
    """One by each way."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(guest.relay(turn.server, way, transport, trusted(access)))
            for way in turn.ways
        ]


def to(lab: Lab, turn: Turn, access: Access, peer: str, places: Ports) -> Ports:
    """Which of ``places`` of the host ``peer`` answer to relays of ``turn``."""
    address = lab.site.hosts[peer].public_address

    async def ask() -> Ports:
        found: Ports = set()
        async with relays(turn, access, UDP) as by_udp, relays(turn, access, TCP) as by_tcp:
            for one in by_udp:
                assert await one.permit(address) == 0, "media is there"
            ports = [port for proto, port in places if proto == Proto.UDP]
            for _ in range(ROUNDS):
                for port in ports:
                    for one in by_udp:
                        one.send((address, port), next(iter(guest.questions())))
                await asyncio.sleep(0.3)
            found |= {("udp", port) for one in by_udp for _, port in one.heard}
            for one in by_tcp:
                for port in [port for proto, port in places if proto == Proto.TCP]:
                    if await one.connect((address, port)) == 0:
                        found.add(("tcp", port))
        return found

    return asyncio.run(ask())


def outside(turn: Turn, access: Access) -> set[int]:
    """What TURN says to addresses that are no node's."""

    async def ask() -> set[int]:
        async with relays(turn, access, UDP) as by_udp, relays(turn, access, TCP) as by_tcp:
            said = [await one.permit(address) for one in by_udp for address in OUTSIDE]
            return {*said, *[await one.connect((address, 53)) for one in by_tcp for address in OUTSIDE]}

    return asyncio.run(ask())


def reached(lab: Lab, turn: Turn, access: Access) -> tuple[Ports, Ports]:
    """What relays of ``turn`` reach on its own host and the next, and what of media they should (without a daemon)."""
    found: Ports = set()
    media: Ports = set()
    for peer in {turn.host, HOSTS[(HOSTS.index(turn.host) + 1) % len(HOSTS)]}:
        stack = lab.site.for_host(peer)
        places = samples(stack) | {(p.proto.value, p.range.first) for p in stack.ports}
        ranges = [p.range for p in stack.ports if f"{p.owner}/{p.name}".startswith("livekit/media-")]
        with listening(lab, peer, places) as taken:
            found |= to(lab, turn, access, peer, places)
        media |= {
            (proto, port)
            for proto, port in places - taken
            if proto == "udp" and any(r.first <= port <= r.last for r in ranges)
        }
    return found, media


def test_relays_lead_to_media_of_the_nodes_and_nowhere_else(turn: Turn, access: Access, lab: Lab) -> None:
    found, media = reached(lab, turn, access)
    assert len(media) > 3
    assert found == media
    assert outside(turn, access) == {FORBIDDEN}


@contextmanager
def without_the_kernel(host: str) -> Iterator[None]:
    there = over_ssh(host)
    there.check_output(f"nft flush chain {TABLE} relay_out")
    try:
        yield
    finally:
        there.check_output("nft -f %s", lab().site.for_host(host).firewall.main)


def test_turn_alone_keeps_every_address_but_the_nodes(turn: Turn, access: Access) -> None:
    with without_the_kernel(turn.host):
        assert outside(turn, access) == {FORBIDDEN}


# $1 program, $2 keys, $3 configuration, $4 port of TURN
_START = r"""
d=$(mktemp -d); chmod 755 "$d"; printf '%s\n' "$3" >"$d/config.yaml"
systemd-run -q --collect --unit=tests-turn -p User=livekit -p LoadCredential=keys.yaml:"$2" \
  "$1" --config "$d/config.yaml" --key-file /run/credentials/tests-turn.service/keys.yaml
for i in $(seq 50); do ss -Hlun | grep -q ":$4 " && exit; sleep 0.2; done; journalctl -u tests-turn -n 20; exit 1
"""


@pytest.fixture
def listless(turn: Turn, lab: Lab) -> Iterator[Turn]:
    """TURN of a slot that does not run, without its lists: in a server that knows no Redis, so nobody else meets it."""
    there, livekit = over_ssh(turn.host), lab.site.livekit
    running = there.check_output("systemctl list-units --plain --no-legend 'livekit-server@*'")
    other = next(s for s in livekit.slots if f"@{s}." not in running)
    unit, port = f"livekit-server@{turn.slot}.service", livekit.part("turn-udp", other).first
    generation = there.check_output("dirname $(readlink /etc/systemd/system/%s.d/50-generation.conf)", unit)
    program = there.check_output("readlink /proc/$(systemctl show -p MainPID --value %s)/exe", unit)
    lines = there.check_output("cat %s", f"{generation}/{other}.yaml").splitlines()
    config = json.loads("\n".join(line for line in lines if not line.startswith("#")))
    del config["redis"], config["turn"]["deny_peer_cidrs"]
    config.pop("webhook", None)
    config["turn"]["allow_restricted_peer_cidrs"] = ["0.0.0.0/0", "::/0"]
    try:
        there.check_output(
            "sh -c %s sh %s %s %s %s", _START, program, f"{generation}/keys.yaml", json.dumps(config), str(port)
        )
        yield Turn(turn.host, other, turn.server, (Place(lab.site.hosts[turn.host].public_address, port),))
    finally:
        there.run("systemctl stop tests-turn")


def test_the_kernel_alone_keeps_everything(listless: Turn, access: Access, lab: Lab) -> None:
    """Also from this machine, which is not a host of the site and has a port open for whoever comes."""
    found, media = reached(lab, listless, access)
    assert found == media
    stranger = lab.facts["gateway"]

    async def tried(ports: dict[int, int]) -> None:
        async with relays(listless, access, UDP) as (by_udp,), relays(listless, access, TCP) as (by_tcp,):
            assert await by_udp.permit(stranger) == 0, "the list is away"
            for _ in range(ROUNDS):
                by_udp.send((stranger, ports[UDP]), b"?")
            assert await by_tcp.connect((stranger, ports[TCP])) not in (0, FORBIDDEN)

    with socket.create_server((stranger, 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind((stranger, 0))
        udp.settimeout(1)
        asyncio.run(tried({UDP: udp.getsockname()[1], TCP: tcp.getsockname()[1]}))
        with pytest.raises(TimeoutError):
            udp.recv(100)
