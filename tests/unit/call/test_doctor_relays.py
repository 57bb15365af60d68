"""What the doctor says of TURN and of IPv6 as clients are told of them."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.join_info import Announced, IceServer
from livekit_metal.call.server import Node
from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.diagnosis.from_client import guest, ipv6, leads, network, relays
from livekit_metal.diagnosis.subject import Subject
from tests.support.programs.server import brief, certificate, run, server


def told(*urls: str, tcp: tuple[tuple[str, int], ...] = ()) -> Announced:
    servers = tuple(IceServer(url, "user", "password") for url in urls)
    return Announced(Node(id="ND_one", version="1"), "room", tcp, tcp, servers)


@pytest.mark.parametrize(
    ("urls", "lacks"),
    [
        (("turn:192.0.2.1:3478?transport=udp", "turns:lk1.turn.test:443?transport=tcp"), ""),
        (("turn:192.0.2.1:3478?transport=udp",), "TURN over TLS"),
        (("stun:stun.example:3478",), "TURN over UDP and TURN over TLS"),
        (("turn:192.0.2.1:3478?transport=udp", "turns:other.test:443?transport=tcp"), "TURN over TLS"),
    ],
)
def test_turn_is_announced_as_the_site_has_it(urls: tuple[str, ...], lacks: str) -> None:
    case = Subject(
        access=Access(url="wss://192.0.2.1", api_key="API", api_secret="secret"),
        turn={"lk1": "lk1.turn.test"},
        nodes={"lk1": "ND_one"},
    )
    (row,) = relays._announced(case, "lk1", told(*urls))
    assert brief(row) == ("turn", Result.FAILED if lacks else Result.OK)
    assert lacks in row.said
    assert list(relays._announced(case, "another", told(*urls))) == [], "what is right is not known"
    elsewhere = dataclasses.replace(case, nodes={"lk1": "ND_two"})
    assert list(relays._announced(elsewhere, "lk1", told(*urls))) == [], "its edge has led to another host"


@pytest.mark.parametrize(("name", "result"), [("127.0.0.1", Result.OK), ("localhost", Result.FAILED)])
def test_the_certificate_of_turn_is_for_its_name(name: str, result: Result, tmp_path: Path) -> None:
    tls, ca = certificate(tmp_path, 90)

    async def test() -> list[CheckResult]:
        async with server(tls=tls) as access:
            port = urlsplit(access.url).port
            mine = Subject(access=dataclasses.replace(access, ca_file=ca))
            return await relays.relays(mine, "lk1", told(f"turns:{name}:{port}?transport=tcp"))

    row, beyond = run(test)
    assert brief(row) == ("turn-cert", result)
    assert brief(beyond) == ("relay", Result.NOTE), "nobody speaks TURN there"
    assert ("Hostname mismatch" in row.said) == (result is Result.FAILED)


class Relay:
    """A relay that leads where it is told: by TCP, to daemons that answer by UDP, to addresses that TURN grants."""

    def __init__(self, opens: set[int], answers: set[int], granted: bool) -> None:
        self.address, self._opens, self._answers, self._granted = ("192.0.2.1", 30000), opens, answers, granted
        self.heard: dict[tuple[str, int], bytes] = {}

    async def permit(self, address: str) -> int:
        return 0 if address == self.address[0] or self._granted else 403

    async def connect(self, peer: tuple[str, int]) -> int:
        return 0 if peer[1] in self._opens else 447

    def send(self, peer: tuple[str, int], _: bytes) -> None:
        if peer[1] in self._answers:
            self.heard[peer] = b"an answer"


@pytest.mark.parametrize(
    ("opens", "answers", "granted", "said"),
    [
        (set(), set(), False, "lead to media alone, over UDP and TLS"),
        ({22}, set(), False, "22/tcp (firewall/ssh) of 192.0.2.1"),
        (set(), {5070}, False, "5070/udp (sip/sip-a) of 192.0.2.1"),
        (set(), set(), True, "203.0.113.254, which is outside"),
    ],
)
def test_relays_that_lead_past_the_firewall_are_a_failure(
    opens: set[int], answers: set[int], granted: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Relay]:
        yield Relay(opens, answers, granted)

    monkeypatch.setattr(guest, "relay", opened)
    monkeypatch.setattr(leads, "_ANSWERS", 0)
    case = Subject(
        access=Access(url="wss://192.0.2.1", api_key="API", api_secret="secret"),
        beyond={"192.0.2.1": {"firewall/ssh tcp": 22, "exporters/node tcp": 9100, "sip/sip-a udp": 5070}},
    )
    servers = ("turn:192.0.2.1:3478?transport=udp", "turns:lk1.turn.test:443?transport=tcp")

    def row(version: str) -> CheckResult:
        one = dataclasses.replace(told(*servers), node=Node(id="ND_one", version=version))
        found = asyncio.run(leads.relay(case, "lk1", one))
        assert found
        return found

    bad = bool(opens or answers or granted)
    assert brief(row("1.13.5")) == ("relay", Result.FAILED if bad else Result.OK)
    assert said in row("1.13.5").said
    old = row("1.11.0")  # which knows no list: what it grants, the firewall refuses
    assert old.result is (Result.OK if granted else row("1.13.5").result)
    assert asyncio.run(leads.relay(case, "lk1", told("stun:stun.example:3478"))) is None


def routed(*tcp: tuple[str, int]) -> list[CheckResult]:
    case = Subject(access=Access(url="ws://192.0.2.1:7880", api_key="API", api_secret="secret"))
    found: list[CheckResult] = run(lambda: ipv6.ipv6(case, {"lk1": told(tcp=tcp)}))
    return found


def test_an_address_of_ipv6_that_nothing_gets_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert routed(("192.0.2.1", 7881)) == [], "none is announced"
    with socket.socket(socket.AF_INET6) as taken:  # bound, and nobody listens: a refusal gets here
        taken.bind(("::1", 0))
        (row,) = routed(("192.0.2.1", 7881), ("::1", taken.getsockname()[1]))
        assert brief(row) == ("ipv6", Result.OK)
    monkeypatch.setattr(network, "OPENS", 0.1)
    monkeypatch.setattr(network, "own", lambda address: "2001:db8::1")
    (row,) = routed(("2001:db8:ffff::1", 7881))
    assert brief(row) == ("ipv6", Result.FAILED)
    assert "nothing gets there and back" in row.said
    monkeypatch.setattr(network, "own", lambda address: "")
    (row,) = routed(("2001:db8:ffff::1", 7881))
    assert brief(row) == ("ipv6", Result.NOTE), "whoever has no IPv6 can tell nothing"


def test_an_address_of_ipv6_by_name() -> None:
    case = Subject(access=Access(url="ws://localhost:7", api_key="API", api_secret="secret"))
    rows: list[CheckResult] = run(lambda: ipv6.ipv6(case, {"lk1": told(tcp=(("::1", 9),))}))
    assert [(row.about, row.said) for row in rows] == [("lk1", "::1")], "a host that is told of both ways is one row"
