"""Why no media flows: the words for what got through, and the packets themselves on this machine's loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.runtime.probe import reachability
from livekit_metal.runtime.probe.call import Kind, Vantage
from livekit_metal.runtime.probe.reachability import MediaTarget, Reachability

GOAL = MediaTarget("10.0.0.11", PortRange(50000, 50003), 7881)
WALL = "(a firewall or NAT between); set livekit.probe to"


@pytest.mark.parametrize(
    ("kind", "found", "expected"),
    [
        (
            "controller",
            Reachability(udp=50003, arrived=0, back=False, tcp=True),
            "livekit.probe: UDP from the controller does not reach 10.0.0.11:50003 "
            f"{WALL} host or peer, or open the way",
        ),
        (
            "controller",
            Reachability(udp=50003, arrived=0, back=False, tcp=False),
            "livekit.probe: neither UDP (50003) nor TCP (7881) from the controller reaches 10.0.0.11 "
            f"{WALL} host or peer, or open the way",
        ),
        (
            "peer",
            Reachability(udp=50003, arrived=6, back=False, tcp=True),
            "livekit.probe: UDP from its peer lk2 reaches 10.0.0.11:50003, the answer does not come back "
            f"{WALL} controller or host, or open the way",
        ),
        (
            "host",
            Reachability(udp=0, arrived=0, back=False, tcp=False),
            "livekit.probe: TCP to 10.0.0.11:7881 does not open from the host itself "
            f"{WALL} controller or peer, or open the way",
        ),
        ("host", Reachability(udp=0, arrived=0, back=False, tcp=True), ""),
        (
            "controller",
            Reachability(udp=50003, arrived=1, back=True, tcp=True),
            "livekit.release: media does not flow through the release although UDP and TCP get through from the "
            "controller to 10.0.0.11; see its journal below, then change release or configuration",
        ),
        (
            "host",
            Reachability(udp=50003, arrived=1, back=True, tcp=False),
            "livekit.release: media does not flow through the release although UDP gets through from the host itself "
            "to 10.0.0.11; see its journal below, then change release or configuration",
        ),
    ],
)
def test_the_way_there_and_the_release_are_told_apart(kind: Kind, found: Reachability, expected: str) -> None:
    assert reachability.words(Vantage(kind, ("lk2",), ""), "lk2", GOAL, found) == expected


def test_a_single_host_is_not_sent_to_a_peer_and_ipv6_reads_as_such() -> None:
    said = reachability.words(
        Vantage("controller", (), ""),
        "",
        MediaTarget("2001:db8::1", GOAL.udp, 7881),
        Reachability(50000, 0, False, True),
    )
    assert "does not reach [2001:db8::1]:50000 " in said
    assert "set livekit.probe to host, or open the way" in said


def free(count: int = 1) -> int:
    """The first of ``count`` neighbouring ports that nobody has."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", 0))
            first: int = one.getsockname()[1]
        try:
            for port in range(first, first + count):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(type=kind) as other:
                        other.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return first


@contextmanager
def listener(first: int, last: int, tcp: int, word: str = "word") -> Iterator[subprocess.Popen[str]]:
    command = ["perl", "-e", reachability.LISTEN, "0.0.0.0", word, str(tcp), str(first), str(last)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def end(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdin is not None
    process.stdin.close()
    return line(process)


def send(udp: int, tcp: int, word: str = "word") -> dict[str, bool]:
    command = [sys.executable, "-I", "-c", reachability._SEND, "127.0.0.1", str(udp), str(tcp), word]
    said: dict[str, bool] = json.loads(subprocess.check_output(command, text=True))
    return said


def test_a_datagram_comes_back_and_is_counted() -> None:
    port = free()
    with listener(port, port, port) as process:
        assert line(process) == ["ready", str(port)]
        assert send(port, port) == {"back": True, "tcp": True}
        assert end(process) == ["arrived", "1"]


def test_the_words_of_strangers_count_for_nothing() -> None:
    port = free()
    with listener(port, port, port) as process:
        line(process)
        assert send(port, port, "other") == {"back": False, "tcp": True}
        assert end(process) == ["arrived", "0"]


def test_where_nobody_listens_nothing_comes_back() -> None:
    port = free()
    assert send(port, port) == {"back": False, "tcp": False}


def test_a_port_that_a_server_has_is_passed_over() -> None:
    """The slot may run: then its next port that is free stands for it, and its own TCP port opens."""
    port = free(2)
    with socket.socket(type=socket.SOCK_DGRAM) as bound, socket.socket() as listening:
        bound.bind(("127.0.0.1", port))
        listening.bind(("127.0.0.1", port))
        listening.listen()
        with listener(port, port + 1, port) as process:
            assert line(process) == ["ready", str(port + 1)]
            assert send(port + 1, port) == {"back": True, "tcp": True}
        with listener(port, port, port) as process:
            assert line(process) == ["ready", "0"]
            assert send(0, port) == {"back": False, "tcp": True}
            assert end(process) == ["arrived", "0"]
