"""The firewall on a deployed host: what is in force, what outlives a reload, and that it never opens by itself."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from livekit_metal.core.ports import Port, Proto, Reach
from livekit_metal.site.model import HostStack
from tests.host import vantages
from tests.host.vantages import listening, samples
from tests.support.hosts.lab import ROOT, Lab

TABLE = "inet livekit_metal"
UNIT = "livekit-firewall.service"
RELOADS = 5


@pytest.fixture
def address(lab: Lab, host_name: str) -> str:
    return lab.site.hosts[host_name].address


def free(host: Host, stack: HostStack, proto: Proto) -> int:
    """A PUBLIC port that no daemon has."""
    letter = proto.value[0]
    bound = {line.split()[3].rpartition(":")[2] for line in host.check_output(f"ss -Hl{letter}n").splitlines()}
    ports = [p for p in stack.ports if (p.proto, p.reach) == (proto, Reach.PUBLIC)]
    found = [n for p in ports for n in range(p.range.first, p.range.last + 1) if str(n) not in bound]
    if not found:
        pytest.skip(f"every public {proto} port of this host has its daemon")
    return found[-1]


def test_what_is_in_force_is_what_a_boot_would_load(host: Host, stack: HostStack) -> None:
    """Loaded into a namespace of its own, the file gives the very table that the kernel has."""
    main = stack.firewall.main
    host.check_output("nft -c -f %s", main)
    listing = f"nft -s list table {TABLE}"
    assert host.check_output(listing) == host.check_output(f"unshare -n sh -c 'nft -f {main} && {listing}'")
    assert host.service(UNIT).is_enabled
    assert host.check_output("systemctl is-active %s", UNIT) == "active"


def test_the_fallback_would_load(host: Host, stack: HostStack) -> None:
    host.check_output("nft -c -f %s", stack.firewall.fallback)


def test_nothing_waits_to_roll_back(host: Host, stack: HostStack) -> None:
    assert host.run("systemctl is-active livekit-firewall-rollback.timer").stdout.strip() == "inactive"
    assert not host.file(f"{stack.firewall.main}.new").exists


def test_it_stands_before_the_network(host: Host) -> None:
    before = host.check_output("systemctl show -p Before --value %s", UNIT).split()
    assert "network-pre.target" in before
    assert UNIT in host.check_output("systemctl list-dependencies --plain sysinit.target")


def test_stopping_it_opens_nothing(lab: Lab, host: Host, address: str) -> None:
    def reached() -> set[tuple[str, int]]:
        return vantages.outside(lab).probe(address, [("tcp", 22), ("tcp", 19999), ("udp", 19999)], 1)[0]

    with listening(lab, host.backend.hostname, [("tcp", 19999), ("udp", 19999)]):
        always = vantages.to_all(lab, host.backend.hostname)
        assert reached() == always
        host.check_output("systemctl stop %s", UNIT)
        try:
            assert reached() == always
        finally:
            host.check_output("systemctl start %s", UNIT)


def icmp(lab: Lab, *words: str) -> str:
    """From the stranger's namespace."""
    command = vantages.outside(lab).command(sys.executable, str(ROOT / "tests/support/hosts/icmp.py"), *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_host_answers_pings_of_both_families(lab: Lab, host: Host, address: str) -> None:
    """Over IPv6 that takes neighbour discovery, too."""
    assert icmp(lab, "ping", address) == "0\n"
    assert icmp(lab, "ping", f"{vantages.link_local(host, address)}%eth0") == "129\n"


def test_media_learns_that_its_packets_are_too_big(lab: Lab, host: Host, stack: HostStack, address: str) -> None:
    """An error about untracked media counts as invalid; path MTU discovery dies where that is dropped first."""
    port, stranger = free(host, stack, Proto.UDP), lab.facts["outside"]["address"]
    host.check_output("ip route flush cache")
    with listening(lab, host.backend.hostname, [("udp", port)]):
        assert "mtu" not in host.check_output("ip route get %s", stranger)
        icmp(lab, "too-big", address, str(port), stranger, "1300")
        learnt = host.check_output("ip route get %s", stranger)
    host.check_output("ip route flush cache")
    assert "mtu 1300" in learnt


def test_media_from_many_sources_leaves_no_trace_in_connection_tracking(
    lab: Lab, host: Host, stack: HostStack, address: str
) -> None:
    port = free(host, stack, Proto.UDP)
    count = "cat /proc/sys/net/netfilter/nf_conntrack_count"
    with listening(lab, host.backend.hostname, [("udp", port)]):
        before = int(host.check_output(count))
        reached, _ = vantages.outside(lab).probe(address, [("udp", port)] * 300, 1)  # each from a port of its own
        after = int(host.check_output(count))
    assert reached == {("udp", port)}
    assert after - before < 100


@pytest.fixture
def link(lab: Lab, host: Host) -> Iterator[socket.socket]:
    """A connection that the host has opened to this machine, and where it gives back what it gets."""
    text = (
        "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "while d := s.recv(100): s.sendall(d)"
    )
    with socket.create_server((lab.facts["gateway"], 0)) as server:
        address, port = server.getsockname()
        host.check_output("systemd-run -q --collect --unit=tests-echo python3 -c %s %s %s", text, address, str(port))
        server.settimeout(10)
        with server.accept()[0] as made:
            made.settimeout(10)
            yield made
    host.run("systemctl stop tests-echo")


def test_an_established_connection_outlives_reloads_and_the_fallback(
    lab: Lab, host: Host, stack: HostStack, address: str, link: socket.socket
) -> None:
    """What arrives on it comes to a port that no rule opens."""
    _echoes(link)
    for _ in range(RELOADS):
        host.check_output("systemctl restart %s", UNIT)
        _echoes(link)
    host.check_output("nft -f %s", stack.firewall.fallback)
    try:
        _echoes(link)
        always = vantages.to_all(lab, host.backend.hostname)
        assert vantages.outside(lab).probe(address, samples(stack), 1) == (always, set())
    finally:
        host.check_output("nft -f %s", stack.firewall.main)


def _echoes(link: socket.socket) -> None:
    link.sendall(b"still there?")
    assert link.recv(100) == b"still there?"


def test_media_flows_through_reloads(lab: Lab, host: Host, stack: HostStack, address: str) -> None:
    """A reload may catch a packet between the old rules and the new ones; it does not catch two."""
    port = free(host, stack, Proto.UDP)
    with listening(lab, host.backend.hostname, [("udp", port)]), socket.socket(type=socket.SOCK_DGRAM) as media:
        media.connect((address, port))
        sent = back = 0
        reloads = f"for i in $(seq {RELOADS}); do systemctl restart {UNIT}; sleep 0.2; done"
        with subprocess.Popen([*vantages.over_ssh(lab, host.backend.hostname), reloads]) as reloading:
            while reloading.poll() is None:
                media.send(b"%d" % sent)
                sent += 1
                back += _arrived(media, 0.002)
        assert reloading.returncode == 0
        back += _arrived(media, 1)
    assert sent > 200, "it was long enough to see something"
    assert sent - back <= RELOADS


def _arrived(media: socket.socket, within: float) -> int:
    """Datagrams that arrive until there is silence for ``within`` seconds."""
    media.settimeout(within)
    count = 0
    try:
        while media.recv(100):
            count += 1
    except TimeoutError:
        pass
    return count


def test_only_public_and_cluster_ports_are_named_in_the_table(host: Host, stack: HostStack) -> None:
    """What is on loopback must not even be mentioned: a typing error in a verdict would open it."""
    listed = host.check_output(f"nft list table {TABLE}")
    local: list[Port] = [p for p in stack.ports if p.reach is Reach.LOCAL and len(p.range) == 1]
    assert local
    for port in local:
        assert f" {port.range.first} :" not in listed, port
