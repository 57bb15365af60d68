"""UDP 443 in the kernel: the script that leads it to a slot; the host and its clients are network namespaces."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from livekit_metal.roles.livekit.redirect import Redirect
from livekit_metal.roles.livekit.turn import REDIRECT_UNIT
from tests.support.programs.namespaces import inside

HOST, HOST6, BESIDE = "10.9.0.1", "fd09::1", "10.9.0.9"  # the last is another address of the host
PORTS = {"a": 3478, "b": 3479, "c": 3480}
ALLOCATED, BOUND = (
    b"\x01\x03" + bytes(18),
    b"\x01\x01" + bytes(18),
)  # STUN: a relay is granted; who asks is told his address
DATA = b"\x40\x00\x00\x04data"  # ChannelData: what a relay got
_MAKE = f"""
ip netns add "$1"; ip netns add "$2"
ip link add eth netns "$1" type veth peer name eth netns "$2"
for n in "$1" "$2"; do ip -n "$n" link set lo up; done
ip -n "$1" address add {HOST}/24 dev eth; ip -n "$1" address add {BESIDE}/24 dev eth
ip -n "$1" address add {HOST6}/64 dev eth nodad
ip -n "$2" address add 10.9.0.2/24 dev eth; ip -n "$2" address add fd09::2/64 dev eth nodad
for n in "$1" "$2"; do ip -n "$n" link set eth up; done
"""


@dataclass
class Host:
    """A host with three slots, and a client beside it. What a slot sends back begins with its port."""

    namespace: str
    outside: str
    script: Path
    active: Path
    answers: dict[int, bytes] = field(default_factory=dict)  # by port: what TURN of that slot sends

    def nft(self, *words: str) -> str:
        command = ["ip", "netns", "exec", self.namespace, "nft", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def run(self, *words: str) -> int:
        """The script's exit status."""
        command = ["ip", "netns", "exec", self.namespace, "sh", str(self.script), *words]
        return subprocess.run(command, check=False, capture_output=True).returncode

    def leads_to(self, slot: str) -> None:
        self.active.write_text(f"egress b\nlivekit {slot}\n" if slot else "egress b\n")
        assert self.run() == 0
        assert self.run("check") == 0

    def client(self, to: str = HOST, port: int = 443) -> Callable[[], int]:
        """A client's socket: asks, and says which port of a slot answered; 0 when nobody did."""
        with inside(self.outside):
            link = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
        link.settimeout(2)
        link.connect((to, port))  # what does not come from there is not taken

        def ask() -> int:
            try:
                link.send(b"ask")
                return int(link.recv(2000)[-5:])
            except OSError:
                return 0

        return ask

    def known(self, port: int) -> str:
        return self.nft("list", "set", "inet", Redirect.table, f"at{port}v4")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    if os.geteuid():
        pytest.skip("only root makes network namespaces")
    mark, root = uuid4().hex[:6], tmp_path_factory.mktemp("redirect")
    names = [f"udp{mark}{end}" for end in "ho"]
    directory = root / "generation"
    directory.mkdir()
    (directory / "ports").write_text("slots a b c\nrange media_udp 50000-50299\nrange turn_udp 3478-3480\n")
    for slot in PORTS:
        drop_in = root / f"units/livekit-server@{slot}.service.d/50-generation.conf"
        drop_in.parent.mkdir(parents=True)
        drop_in.symlink_to(directory / f"slot-{slot}.conf")
    active = root / "active.map"
    redirect = Redirect(
        script=str(root / "udp-443.sh"),
        active=str(active),
        unit="livekit-server@*.service",
        addresses=(HOST, HOST6),
        wanted=True,
    )
    text = redirect.files[0].text.replace("/etc/systemd/system", str(root / "units"))
    Path(redirect.script).write_text(text)
    host = Host(*names, Path(redirect.script), active)
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=False, capture_output=True)
        subprocess.run(["sh", "-euc", _MAKE, "sh", *names], check=True)
        with inside(names[0]):
            for port in PORTS.values():
                for address in (HOST, HOST6):
                    stack.enter_context(_turn(host, address, port))
            stack.enter_context(_turn(host, BESIDE, 443))
        yield host


@contextlib.contextmanager
def _turn(host: Host, address: str, port: int) -> Iterator[None]:
    """What answers everybody, as TURN would somebody who is with it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        link.bind((address, port))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while said := link.recvfrom(2000):
                    if said[0] == b"end":
                        return
                    link.sendto(host.answers.get(port, DATA) + b"%5d" % port, said[1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            with inside(host.namespace), socket.socket(family, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", (address, port))
            thread.join(5)


@pytest.fixture
def host(made: Host) -> Host:
    """As it is after a boot, with slot a active."""
    made.nft("add table inet " + Redirect.table)
    made.nft("delete table inet " + Redirect.table)
    made.answers.clear()
    made.leads_to("a")
    return made


@pytest.mark.parametrize("to", [HOST, HOST6])
def test_newcomers_go_to_the_active_slot_and_who_is_with_another_stays(host: Host, to: str) -> None:
    first = host.client(to)
    assert first() == PORTS["a"]
    host.leads_to("b")
    second = host.client(to)
    assert (first(), second()) == (PORTS["a"], PORTS["b"])
    host.leads_to("a")  # a rollback
    assert (first(), second(), host.client(to)()) == (PORTS["a"], PORTS["b"], PORTS["a"])


def test_with_no_slot_active_nobody_new_gets_in(host: Host) -> None:
    first = host.client()
    assert first() == PORTS["a"]
    host.leads_to("")
    assert (first(), host.client()()) == (PORTS["a"], 0)


def test_the_port_of_a_slot_itself_is_as_it_was(host: Host) -> None:
    assert host.client(port=PORTS["c"])() == PORTS["c"]


def test_what_goes_to_another_address_is_not_ours(host: Host) -> None:
    assert host.client(BESIDE)() == 443


def test_nothing_is_tracked(host: Host) -> None:
    """Connection tracking works in a namespace when a rule asks it something: none of ours does."""
    assert host.client()() == PORTS["a"]
    rules = host.nft("list", "table", "inet", Redirect.table)
    assert not [word for word in (" ct ", "dnat", "redirect to", "masquerade") if word in rules]


def test_only_who_has_logged_in_stays_for_long(host: Host) -> None:
    """Else packets with made-up addresses would fill the sets: what STUN answers to everybody counts for nothing."""

    def expires(port: int) -> float:
        units = {"m": 60.0, "s": 1.0, "ms": 0.001}  # "2m", "1m59s996ms": what is nothing is not printed
        said = host.known(port).partition(" expires ")[2].split()[0]
        return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|m|s)", said))

    host.answers[PORTS["a"]] = BOUND
    client = host.client()
    assert client() == PORTS["a"]
    assert expires(PORTS["a"]) <= Redirect.first
    for granted in (ALLOCATED, DATA):
        host.leads_to("b")
        host.answers[PORTS["a"]] = granted
        assert client() == PORTS["a"]
        assert expires(PORTS["a"]) > Redirect.first


def test_a_flood_of_newcomers_is_bounded_and_turns_nobody_out(host: Host) -> None:
    client = host.client()
    assert client() == PORTS["a"]
    with inside(host.outside):
        for port in range(20000, 20000 + Redirect.burst + 3000):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
                link.bind(("", port))
                link.sendto(b"ask", (HOST, 443))
    counted = host.known(PORTS["a"]).count(" expires ")
    assert Redirect.burst <= counted < Redirect.size
    dropped = host.nft("list", "chain", "inet", Redirect.table, "in4")
    assert 'drop comment "too many at once"' in dropped
    assert 'packets 0 bytes 0 drop comment "too many at once"' not in dropped
    assert client() == PORTS["a"]


def test_full_sets_turn_away_newcomers_alone(host: Host) -> None:
    client, port = host.client(), PORTS["a"]
    assert client() == port
    many = ", ".join(f"10.{i >> 8 & 255}.{i & 255}.1 . {i >> 16 | 1}" for i in range(Redirect.size - 1))
    subprocess.run(
        ["ip", "netns", "exec", host.namespace, "nft", "-f", "-"],
        input=f"add element inet {Redirect.table} at{port}v4 {{ {many} }}",
        text=True,
        check=True,
    )
    assert (client(), host.client()()) == (port, 0)


@pytest.mark.parametrize("chain", ["in", "out", "in4"])
def test_rules_that_somebody_took_away_are_missed(host: Host, chain: str) -> None:
    host.nft(f"flush chain inet {Redirect.table} {chain}")
    assert host.run("check") == 1


def test_another_active_file_is_missed_and_a_slot_without_a_port_is_told(host: Host) -> None:
    host.active.write_text("livekit b\n")  # a deploy died between the file and the rules
    assert host.run("check") == 1
    host.active.write_text("livekit d\n")
    assert host.run() == 1


def test_the_unit_is_one(verify_unit: Callable[[str, str], float]) -> None:
    redirect = Redirect(script="/etc/x/udp-443.sh", active="/etc/x/active", unit="x@*", addresses=(HOST,), wanted=True)
    assert verify_unit(REDIRECT_UNIT, redirect.files[1].text) < 3
