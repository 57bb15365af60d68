"""What may leave a host from its relays' ports: packets, through the rules as nft has loaded them, in a namespace."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.firewall.relays import Former
from livekit_metal.roles.firewall.settings import Settings
from livekit_metal.roles.firewall.tasks import _boot_files, _main
from livekit_metal.site.model import Site
from tests.render.conftest import as_us

Place = tuple[str, int]

# Every address is this machine, so a packet that may leave arrives; one that may not is EPERM (UDP) or reset (TCP).
_TRY = r"""
import errno, json, socket, subprocess, sys
given = json.load(sys.stdin)
six = {to[0] for _, _, to in given["tried"] if ":" in to[0]}
here = [f"addr add {each}/128 dev lo nodad" for each in six]
for words in ("link set lo up", "route add local 0.0.0.0/0 dev lo", *here):
    subprocess.run(["ip", *words.split()], check=True)
subprocess.run(["nft", "-f", "-"], input=given["rules"], text=True, check=True)
def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET
def udp(source, address, port):
    with socket.socket(family(address), socket.SOCK_DGRAM) as one:
        one.bind(("::" if ":" in address else "0.0.0.0", source))
        try:
            one.sendto(b"?", (address, port))
        except PermissionError:
            return False
    return True
def tcp(source, address, port):
    with socket.create_server((address, port), family=family(address)), socket.socket(family(address)) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((address, source))
        one.settimeout(0.2)
        return one.connect_ex((address, port)) == 0
kinds = {"udp": udp, "tcp": tcp}
print(json.dumps([kinds[proto](source, *to) for proto, source, to in given["tried"]]))
"""


@pytest.fixture
def leave(program: Callable[[str, str], str]) -> Callable[..., dict[tuple[str, int, Place], bool]]:
    """``leave(rules, tried)``: which of (protocol, source port, (address, port)) get out."""
    program("nft", "nftables")
    program("ip", "iproute2")
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace")

    def run(rules: str, tried: Iterable[tuple[str, int, Place]]) -> dict[tuple[str, int, Place], bool]:
        asked = list(tried)
        given: Mapping[str, Any] = {"rules": as_us(rules), "tried": asked}
        command = [*unshare, sys.executable, "-c", _TRY]
        done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return dict(zip(asked, json.loads(done.stdout), strict=True))

    return run


OUTSIDE = ("203.0.113.5", "127.0.0.1", "100.100.100.200", "2001:db8:ffff::1")
STRANGE = (22, 53, 111, 3478, 5060, 9100, 49999, 50100)


@pytest.fixture
def firewall(make_site: Callable[[dict[str, Any]], Site]) -> Settings:
    """Two hosts: one behind 1:1 NAT, one with IPv6 as well; the second's media is the first's relays' business too."""
    hosts = {
        "lk1": {"address": "10.0.0.11", "public": "192.0.2.11", "roles": ["livekit", "redis"]},
        "lk2": {"address": "192.0.2.12", "ipv6": "2001:db8::12", "cluster": "10.0.0.12", "roles": ["livekit"]},
    }
    livekit = {"media_udp": "50000-50099", "turn_relay": "30000-30098"}
    return make_site({"hosts": hosts, "livekit": livekit}).for_host("lk1").firewall


NODES = ("10.0.0.11", "192.0.2.11", "192.0.2.12", "2001:db8::12")
RELAYS = (30000, 30050, 30098, 30099)  # the last is behind an even one (EVEN-PORT)


def expected(sources: Iterable[int], media: Iterable[int]) -> dict[tuple[str, int, Place], bool]:
    """Of every source to every place: UDP to media of nodes gets out, and nothing else."""
    places = [(address, port) for address in (*NODES, *OUTSIDE) for port in (*STRANGE, *media)]
    wanted = {("udp", source, to): to[0] in NODES and to[1] in set(media) for source in sources for to in places}
    return wanted | {("tcp", source, to): False for source in sources for to in places}


@pytest.mark.parametrize("file", ["main", "fallback"])
def test_relays_lead_to_media_of_the_nodes_and_nowhere_else(
    firewall: Settings, leave: Callable[..., dict[tuple[str, int, Place], bool]], file: str
) -> None:
    rules = {"main": _main(firewall)[0], "fallback": _boot_files(firewall)[0]}[file].text
    wanted = expected(RELAYS, (50000, 50050, 50099))
    if file == "fallback":  # which knows no reset: TCP waits in vain, and a few such waits do
        wanted = {each: out for each, out in wanted.items() if each[0] == "udp" or each[2] == (OUTSIDE[0], 22)}
    assert leave(rules, wanted) == wanted


def test_from_all_other_ports_a_host_sends_what_it_likes(
    firewall: Settings, leave: Callable[..., dict[tuple[str, int, Place], bool]]
) -> None:
    sources = (29999, 30100, 50000, 3478)
    tried = [(proto, s, (a, 2222)) for proto in ("udp", "tcp") for s in sources for a in (*NODES, *OUTSIDE)]
    assert set(leave(_main(firewall)[0].text, tried).values()) == {True}


def test_who_listens_where_relays_are_still_answers(
    firewall: Settings, leave: Callable[..., dict[tuple[str, int, Place], bool]]
) -> None:
    """A service of somebody else's on such a TCP port: only connections from there are refused."""
    tried = [("tcp", 40001, ("127.0.0.1", 30050))]
    assert leave(_main(firewall)[0].text, tried) == {tried[0]: True}


def test_others_choose_such_a_port_as_they_like(
    firewall: Settings, leave: Callable[..., dict[tuple[str, int, Place], bool]]
) -> None:
    """Resolvers do (dnsmasq, unbound), whatever is reserved: the rule is about livekit-server's user."""
    rules = _main(firewall)[0].text.replace('meta skuid "livekit"', "meta skuid 12345")
    tried = [(proto, RELAYS[0], (address, 53)) for proto in ("udp", "tcp") for address in OUTSIDE]
    assert set(leave(rules, tried).values()) == {True}


def test_while_ports_move_both_are_relays_and_both_are_media(
    firewall: Settings, leave: Callable[..., dict[tuple[str, int, Place], bool]]
) -> None:
    former = (Former(PortRange(21000, 21010), "livekit/turn-relay"), Former(PortRange(41000, 41010), "livekit/media"))
    file, stamp = _main(firewall, former=former)
    assert stamp != _main(firewall)[1]
    wanted = expected((*RELAYS, 21000, 21010, 21011), (50000, 50099, 41000, 41010))
    assert leave(file.text, wanted) == wanted


def test_a_host_without_relays_keeps_nothing_back(firewall: Settings) -> None:
    bare = dataclasses.replace(firewall, ports=tuple(p for p in firewall.ports if p.owner != "livekit"))
    assert "relay_out" not in _main(bare)[0].text
