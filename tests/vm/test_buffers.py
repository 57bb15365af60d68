"""Buffers that the kernel grants: to livekit-server's sockets, and to whoever must wait while packets come."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.support.calls.background_call import Talk
from tests.vm.conftest import Machine
from tests.vm.test_kernel import MEDIA

STALLED = (Path(__file__).parent / "stalled.py").read_text()
USUAL = 212992  # bytes, rmem_max and rmem_default of a kernel that nobody has tuned
KEYS = ("net.core.rmem_max", "net.core.rmem_default")


def receive_buffers(host: Host, first: int, last: int) -> list[int]:
    """Of livekit-server's UDP sockets on ports of a range: bytes of packets that may wait (the kernel's rb)."""
    sockets = host.check_output(f"ss -Huamnp '( sport >= :{first} and sport <= :{last} )'")
    joined = re.sub(r"\n\s+", " ", sockets)
    return [int(found[1]) for line in joined.splitlines() if (found := re.search(r"skmem:\(r\d+,rb(\d+)", line))]


def test_media_sockets_have_what_the_server_asks_for(vm: Machine, talk: Talk) -> None:
    """The kernel doubles what it grants, for its own bookkeeping (socket(7))."""
    ports = [p.range for p in vm.stack.ports if p.proto.value == "udp" and p.name.startswith("media")]
    found = [size for each in ports for size in receive_buffers(vm.host, each.first, each.last)]
    assert found, "a call runs, so there is a media socket"
    assert set(found) == {2 * MEDIA}


@pytest.fixture
def untuned(first: Host) -> Iterator[None]:
    """The kernel's own limits."""
    before = {key: first.check_output("sysctl -n %s", key) for key in KEYS}
    first.check_output("sysctl -q " + " ".join(f"{key}={USUAL}" for key in KEYS))
    yield
    first.check_output("sysctl -q " + " ".join(f"{key}={value}" for key, value in before.items()))


def stalled(host: Host, asks: int) -> tuple[int, int]:
    """(sent, arrived) of a burst to a reader that stands still and has asked for a buffer of ``asks`` bytes."""
    sent, arrived = host.check_output("python3 -c %s %s", STALLED, str(asks)).split()
    return int(sent), int(arrived)


@pytest.mark.parametrize("asks", [pytest.param(MEDIA, id="media"), pytest.param(0, id="relay")])
def test_nothing_is_lost_while_a_reader_stands_still(first: Host, asks: int) -> None:
    sent, arrived = stalled(first, asks)
    assert arrived == sent


@pytest.mark.parametrize("asks", [pytest.param(MEDIA, id="media"), pytest.param(0, id="relay")])
def test_without_the_settings_most_of_the_same_burst_is_lost(first: Host, untuned: None, asks: int) -> None:
    """So the test above sees what it should."""
    sent, arrived = stalled(first, asks)
    assert arrived < sent / 2
