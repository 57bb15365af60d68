"""The whole registry against the network: what is reached from where is what ``Port.reach`` says, and nothing else.

Listeners stand on the first, last and middle port of every range, on the ports beside it, and on some that are in no
range; ports that a daemon has are tried as they are.
"""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.core.ports import Port, Reach
from livekit_metal.site.model import HostStack
from tests.host import vantages
from tests.host.vantages import Ports, Vantage, in_registry, listening, samples
from tests.support.hosts.lab import Lab

SHAKES = 200  # datagrams that a daemon's port must let in


def reaches(vantage: Vantage, port: Port | None) -> bool:
    """Whether ``vantage`` may open a connection to ``port`` (None: one that is in no range)."""
    if port is None or port.reach is Reach.LOCAL:
        return False
    if port.reach is Reach.ADMIN:
        return vantage.admin
    if port.reach is Reach.TRUNK:
        return vantage.carrier
    stands_beside = {"exporters": "redis", "media": "livekit"}  # where a role without hosts of its own runs
    clients = {stands_beside.get(client, client) for client in port.clients}
    inside = bool(vantage.roles) and (not clients or bool(clients & vantage.roles))
    return port.reach is Reach.PUBLIC or inside


def expected(stack: HostStack, vantage: Vantage, tried: Ports) -> Ports:
    registry = in_registry(stack)
    return {place for place in tried if reaches(vantage, registry.get(place))}


@pytest.fixture
def address(lab: Lab, host_name: str) -> str:
    return lab.site.hosts[host_name].address


@pytest.fixture
def link_local(host: Host, address: str) -> str:
    """The host's IPv6 address on the lab's bridge."""
    found = vantages.link_local(host, address)
    if not found:
        pytest.skip("this lab has no IPv6")
    return found


def test_sampled_ports_are_reached_from_where_the_registry_says(
    lab: Lab, host_name: str, stack: HostStack, address: str
) -> None:
    everywhere = [vantages.outside(lab), vantages.controller(), *vantages.peers(lab, host_name)]
    with listening(lab, host_name, samples(stack)) as taken:
        tried = samples(stack) - {(proto, n) for proto, n in taken if proto == "udp"}
        for vantage in everywhere:
            reached, _ = vantage.probe(address, tried)
            assert reached == expected(stack, vantage, tried), vantage.name
    assert taken, "the daemons of this host have their ports"


def test_the_same_over_ipv6(lab: Lab, host_name: str, stack: HostStack, link_local: str) -> None:
    """The site has no IPv6 addresses: over link-local ones everybody is a stranger."""
    stranger = vantages.outside(lab)
    with listening(lab, host_name, samples(stack)) as taken:
        reached, _ = stranger.probe(f"{link_local}%eth0", samples(stack) - taken)
    assert reached == expected(stack, stranger, samples(stack) - taken)
    assert reached, "some port is open to all"


def test_a_stranger_who_tries_every_tcp_port_finds_the_public_ones(
    lab: Lab, host: Host, stack: HostStack, address: str
) -> None:
    """Those with a daemon take the connection, those without are refused by the host itself; the rest is silence."""
    stranger = vantages.outside(lab)
    taken, refused = stranger.probe(address, {("tcp", n) for n in range(1, 65536)}, seconds=1.5)
    public = {place for place, port in in_registry(stack).items() if reaches(stranger, port) and place[0] == "tcp"}
    listeners = {int(n) for n in re.findall(r"^\S+ +\d+ +\d+ +\S*:(\d+) ", host.check_output("ss -Hltn"), re.M)}
    assert taken == {place for place in public if place[1] in listeners}
    assert refused == public - taken
    assert taken, "something must be open to all"


def test_datagrams_from_a_stranger_arrive_at_the_daemons_media_ports(
    lab: Lab, host: Host, stack: HostStack, address: str
) -> None:
    """A daemon does not answer what it does not know; the kernel counts what it was given."""
    bound = [int(n) for n in re.findall(r"^\S+ +\d+ +\d+ +\S*:(\d+) ", host.check_output("ss -Hlun"), re.M)]
    media = [n for n in bound if (port := in_registry(stack).get(("udp", n))) and port.reach is Reach.PUBLIC]
    assert media or stack.livekit is None

    def delivered() -> int:
        return int(host.check_output("awk '/^Udp: [0-9]/ { print $2 }' /proc/net/snmp"))

    for port in media:
        before = delivered()
        vantages.outside(lab).probe(address, [("udp", port)] * SHAKES, seconds=0.3)
        assert delivered() - before >= SHAKES, port
    before = delivered()
    vantages.outside(lab).probe(address, [("udp", 19999)] * SHAKES, seconds=0.3)
    assert delivered() - before < SHAKES / 2, "nothing else may come in"
