"""TURN of slots of two versions behind one HAProxy: who wants the PROXY protocol gets it, and nobody else."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from livekit_metal.roles.edge.tasks import _config
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.tasks import Livekit
from livekit_metal.runtime.slots import active_slot
from livekit_metal.runtime.slots.components import changed
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from livekit_metal.vault.certificate import Certificate
from tests.render.edge.edge_rig import Edge, free_ports
from tests.render.edge.fake_slot import FakeSlot, FakeTurn
from tests.render.edge.run_here import run_here

SITE, TURN = "lk.example.org", "turn.example.org"
STUN = bytes.fromhex("000100002112a442") + bytes(12)  # a binding request (RFC 8489, 5)
HERE = "127.0.0.3"  # the host's own address
OURS = "127.0.0.1"  # what the kernel takes for who goes there: the first of the interface
HEADER = {"1.13.5": False, "1.13.6": False, "1.13.7": True, "1.13.9": True, "1.13.7-mine": True}


def over_tls(site: Site, release: str) -> Site:
    """``site``, of that release, with TURN over TLS."""
    turn = dataclasses.replace(site.of(Settings).turn, domain="{host}.turn.example.org")
    return changed(site, "livekit", {"release": release, "turn": turn})


@pytest.mark.parametrize("release", HEADER)
def test_from_1_13_7_on_both_sides_say_so(any_site: Site, release: str) -> None:
    stack = over_tls(any_site, release).for_host("lk1")
    livekit, edge = stack.the(Settings), stack.edge
    assert edge is not None
    files = {f.path.rpartition("/")[2]: f.text for f in Livekit(livekit).generation("/opt/x/1.0.0-0")[1]}
    at, wanted = any_site.hosts["lk1"].address, HEADER[release]
    for slot in livekit.slots:
        turn = yaml.safe_load(files[f"{slot}.yaml"])["turn"]
        said = {"proxy_protocol": True, "proxy_protocol_trusted_cidrs": [f"{at}/32"]} if wanted else {}
        assert {k: v for k, v in turn.items() if k.startswith("proxy_")} == said
    said_there = {each: f" send-proxy-v2 source {at}:0" in where for each, where in edge.turn_servers.items()}
    assert said_there == dict.fromkeys(livekit.slots, wanted)
    lines = [line for line in _config(edge).text.splitlines() if line.startswith("    server ") and "proxy-v2" in line]
    assert all(" source " in line or " inner " in line for line in lines)
    assert (" turn PROXY" in files["ports"]) == wanted


def test_without_turn_over_tls_nothing_is_said_of_it(any_site: Site) -> None:
    own = any_site.of(Settings)
    turn = dataclasses.replace(own.turn, domain="")
    site = changed(any_site, "livekit", {"release": "1.13.9", "turn": turn})
    edge = site.for_host("lk1").edge
    assert edge is not None
    assert "PROXY" not in _config(edge).text
    assert "proxy_protocol" not in str(site.for_host("lk1").the(Settings).config(own.slots[0])["turn"])


@pytest.fixture
def ca() -> Certificate:
    return certificates.authority("tls-ca", "test", time.time())


@pytest.fixture
def turns() -> Iterator[dict[str, FakeTurn]]:
    """Slot a is of 1.13.5 and b of 1.13.7, on the host's own address."""
    made = {"a": FakeTurn("a", address=HERE), "b": FakeTurn("b", insists=True, address=HERE)}
    yield made
    for each in made.values():
        each.stop()


@pytest.fixture
def edge(
    tmp_path: Path,
    program: Callable[[str, str], str],
    monkeypatch: pytest.MonkeyPatch,
    ca: Certificate,
    turns: dict[str, FakeTurn],
) -> Iterator[Edge]:
    monkeypatch.setattr(active_slot, "run", run_here)
    leaf = certificates.leaf(ca, "tls-lk1", (SITE, TURN), 30, time.time())
    slots = {name: FakeSlot(name, port) for name, port in zip(turns, free_ports(2), strict=True)}
    for slot in slots.values():
        slot.start()
    made = Edge(
        program("haproxy", "haproxy"),
        tmp_path / "edge",
        slots,
        0,
        tls="internal",
        served=leaf,
        turn_name=TURN,
        turn_address=HERE,
    )
    behind = tuple(
        dataclasses.replace(each, turn=turns[each.name].port, header=each.name == "b") for each in made.settings.slots
    )
    made.reload(slots=behind, description="with TURN")
    made.until(lambda: made.up("livekit_a", "local") and made.up("livekit_b", "local"))
    yield made
    made.stop()
    for slot in slots.values():
        slot.stop()


@contextlib.contextmanager
def client(edge: Edge, ca: Certificate, source: str) -> Iterator[Callable[[], bytes]]:
    """Somebody at ``source`` who has TURN over TLS; the block gets what says something there."""
    trusted = ssl.create_default_context(cadata=ca.chain)
    with (
        socket.create_connection(("127.0.0.1", edge.https), timeout=10, source_address=(source, 0)) as plain,
        trusted.wrap_socket(plain, server_hostname=TURN) as link,
    ):

        def said() -> bytes:
            link.sendall(STUN)
            return link.recv(100)

        yield said


def test_a_slot_of_each_version_is_spoken_to_as_it_wants(
    edge: Edge, ca: Certificate, turns: dict[str, FakeTurn]
) -> None:
    edge.flip("a")
    with client(edge, ca, "127.0.0.7") as old:
        assert old() == b"a" + STUN, edge.log
        edge.flip("b")
        with client(edge, ca, "127.0.0.8") as new:
            assert new() == b"b" + STUN, edge.log
            edge.reload(description="another", max_connections=1000)
            assert (old(), new()) == (b"a" + STUN, b"b" + STUN), "both outlive a reload"
    assert turns["a"].served == [OURS], "1.13.5 sees an address of our host"
    assert turns["b"].served == ["127.0.0.8"], "1.13.7 sees whose connection it is"
    # HAProxy's checks are of the slots themselves: nothing came to TURN but those two
    assert (turns["a"].refused, turns["b"].refused) == (0, 0)


@pytest.mark.parametrize(("ended", "left"), [("a", "b"), ("b", "a")])
def test_who_comes_while_the_active_slot_is_away_is_spoken_to_as_the_other_wants(
    edge: Edge, ca: Certificate, turns: dict[str, FakeTurn], ended: str, left: str
) -> None:
    edge.flip(ended)
    edge.tell(f"disable server livekit_{ended}/local")
    edge.until(lambda: not edge.up(f"livekit_{ended}", "local"))
    with client(edge, ca, "127.0.0.7") as said:
        assert said() == left.encode() + STUN, edge.log
    assert turns[ended].served == []
    assert turns[left].served == [OURS if left == "a" else "127.0.0.7"]


def test_nobody_else_gets_to_turn_that_insists(turns: dict[str, FakeTurn]) -> None:
    """The stand-in does insist, or the tests above would show nothing."""
    lie = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 192, 0, 2, 2, 4, 0, 1, 187])
    for source, words in ((HERE, STUN), ("127.0.0.9", lie + STUN)):
        with socket.create_connection((HERE, turns["b"].port), timeout=10, source_address=(source, 0)) as link:
            link.sendall(words)
            with contextlib.suppress(ConnectionResetError):
                assert link.recv(100) == b""
    assert turns["b"].refused == 2
