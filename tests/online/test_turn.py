"""TURN of the deployed hosts, asked by a client of our own: what clients are told, and what they get."""

from __future__ import annotations

import socket
import ssl
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from livekit_metal.call.access import Access
from livekit_metal.site.model import Site
from tests.support.calls.turn import Client, Servers, told
from tests.support.hosts.lab import Lab, lab

HOSTS = lab().site.with_role("livekit")
ELSEWHERE = ("127.0.0.1", "169.254.169.254", "192.168.0.1", "10.0.0.1")  # nothing that a relay is for


@dataclass(frozen=True)
class Turn:
    """How a client that joined through ``host`` may open relays, on which slot."""

    host: str
    servers: Servers
    slot: str


def port_of(servers: Servers) -> int:
    (url,) = [u for u in servers.urls if u.startswith("turn:")]
    return int(url.removeprefix("turn:").partition("?")[0].rpartition(":")[2])


@pytest.fixture(params=HOSTS)
def turn(request: pytest.FixtureRequest, access: Access, lab: Lab) -> Turn:
    """The room of the client that asks is where the site puts it: on any host."""
    servers = told(access)
    at = {f"turn:{lab.site.hosts[host].public_address}:": host for host in HOSTS}
    (host,) = [host for start, host in at.items() if any(u.startswith(start) for u in servers.urls)]
    livekit = lab.site.livekit
    (slot,) = [s for s in livekit.slots if livekit.part("turn-udp", s).first == port_of(servers)]
    return Turn(host, servers, slot)


def over_udp(site: Site, turn: Turn, *credentials: str) -> Client:
    link = socket.socket(type=socket.SOCK_DGRAM)
    link.connect((site.hosts[turn.host].public_address, port_of(turn.servers)))
    return Client(link, *credentials)


def test_clients_are_told_of_no_server_but_ours(turn: Turn, lab: Lab) -> None:
    ours = {lab.site.hosts[turn.host].public_address, lab.site.livekit.turn.name(turn.host)}
    hosts = {urllib.parse.urlsplit(u.replace(":", "://", 1)).hostname for u in turn.servers.urls}
    assert hosts == {host for host in ours if host}


def test_stun_is_for_everybody(turn: Turn, lab: Lab) -> None:
    assert over_udp(lab.site, turn).mapped()[0] == lab.facts["gateway"]


def test_a_relay_is_on_its_own_host_in_the_part_of_its_slot(turn: Turn, lab: Lab) -> None:
    got = over_udp(lab.site, turn, turn.servers.username, turn.servers.credential).allocate()
    assert not isinstance(got, int), got
    (address, port), (mapped, _) = got
    relay = lab.site.livekit.part("turn-relay", turn.slot)
    assert (address, mapped) == (lab.site.hosts[turn.host].public_address, lab.facts["gateway"])
    assert relay.first <= port <= relay.last


def test_nobody_gets_a_relay_with_other_credentials(turn: Turn, lab: Lab) -> None:
    for credentials in ((turn.servers.username, "guessed"), ("nobody", turn.servers.credential)):
        assert over_udp(lab.site, turn, *credentials).allocate() in (400, 401)  # pion says 400 to both


def test_a_relay_leads_to_our_nodes_and_into_no_network_of_theirs(turn: Turn, lab: Lab) -> None:
    client = over_udp(lab.site, turn, turn.servers.username, turn.servers.credential)
    assert not isinstance(client.allocate(), int)
    allowed = {peer: client.permission(peer) for peer in (*ELSEWHERE, lab.facts["gateway"])}
    assert allowed == dict.fromkeys(allowed, 403)
    nodes = {host: client.permission(lab.site.hosts[host].public_address) for host in HOSTS}
    assert nodes == dict.fromkeys(HOSTS, 0)


@pytest.fixture
def over_tls(turn: Turn, lab: Lab) -> Iterator[Client]:
    """On 443, by name, with the site's CA."""
    name = lab.site.livekit.turn.name(turn.host)
    if not name:
        pytest.skip("the site has TURN over UDP only")
    assert f"turns:{name}:443?transport=tcp" in turn.servers.urls
    trusted = ssl.create_default_context(cafile=lab.access["ca_file"])
    with ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection((lab.site.hosts[turn.host].public_address, 443), 5))
        link = stack.enter_context(trusted.wrap_socket(plain, server_hostname=name))
        yield Client(link, turn.servers.username, turn.servers.credential)


def test_relays_are_given_over_tls_on_443_too(over_tls: Client, turn: Turn, lab: Lab) -> None:
    got = over_tls.allocate()
    assert not isinstance(got, int), got
    (address, port), (mapped, _) = got
    relay = lab.site.livekit.part("turn-relay", turn.slot)
    assert address == lab.site.hosts[turn.host].public_address
    assert relay.first <= port <= relay.last
    assert not mapped.startswith("127."), "Firefox refuses a relay that sees it on loopback (livekit/livekit#4851)"
    assert over_tls.permission(address) == 0
    assert over_tls.permission("127.0.0.1") == 403
