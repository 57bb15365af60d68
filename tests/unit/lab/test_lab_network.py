"""A host's link to the bridge, with the kernel's own namespaces (root only)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import network
from lab.places import Lab
from lab.run import run, succeeds, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")
HOST, NAMESPACE = "lk1", "lkt-unplug"
HERE, THERE = "169.254.77.1", "169.254.77.2"
# connects, waits for a line, sends what nobody will acknowledge, and is gone
SPEAKS = f"""import socket; s = socket.create_connection(("{HERE}", 7077), 5); input(); s.send(b"lost")"""


@pytest.fixture
def link() -> Iterator[Path]:
    """The link of a host of no lab, its other end in a namespace."""
    name = Lab("unplug").link(HOST)
    run("ip", "netns", "add", NAMESPACE)
    run("ip", "link", "add", name, "type", "veth", "peer", "name", "host0", "netns", NAMESPACE)
    run("ip", "address", "add", f"{HERE}/30", "dev", name)
    run("ip", "link", "set", name, "up")
    run("ip", "-n", NAMESPACE, "address", "add", f"{THERE}/30", "dev", "host0")
    run("ip", "-n", NAMESPACE, "link", "set", "host0", "up")
    yield Path("/sys/class/net") / name
    succeeds("ip", "netns", "delete", NAMESPACE)
    succeeds("ip", "link", "delete", name)


def test_a_connection_that_nobody_acknowledges_does_not_keep_the_link(
    link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "UNPLUG_SECONDS", 0.5)
    with socket.create_server((HERE, 7077)) as server:
        server.settimeout(10)
        command = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", SPEAKS]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as speaker:
            there, _ = server.accept()
            run("ip", "link", "set", link.name, "down")
            speaker.communicate("\n", timeout=10)
        there.close()
    run("ip", "netns", "delete", NAMESPACE)
    assert not wait_until(lambda: not link.exists(), 0.5), "nothing keeps the namespace: this proves nothing"
    network.unplug(Lab("unplug"), HOST)
    assert not link.exists()


def test_a_link_that_nothing_keeps_goes_by_itself(link: Path) -> None:
    run("ip", "netns", "delete", NAMESPACE)
    network.unplug(Lab("unplug"), HOST)
    assert not link.exists()
