"""The doctor's rows: which failure explains which, how they are shown, what a call's report amounts to."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict
from typing import Any

import click
import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.join_info import Announced, IceServer
from livekit_metal.call.server import Node
from livekit_metal.core.check_result import CheckResult, Result, as_json, failed, from_json, status, table
from livekit_metal.core.types.quality import Quality
from livekit_metal.diagnosis import finish
from livekit_metal.diagnosis.from_client import calls
from livekit_metal.diagnosis.on_host.checks import Found
from livekit_metal.diagnosis.root_cause import EXPLAINS, attribute
from livekit_metal.diagnosis.subject import Subject
from livekit_metal.runtime.run.read_only import Unreachable
from livekit_metal.site.model import Site
from tests.roles.status.test_doctor_quality import GOOD


def rows(*bad_ones: str, good: str = "") -> list[CheckResult]:
    made = [failed(*one.split(" ", 1), "controller", "it is broken", "mend it") for one in bad_ones]
    return [*made, *(CheckResult(check=c, about="lk2", vantage="controller") for c in good.split())]


def causes(found: list[CheckResult]) -> list[str]:
    return [row.name for row in found if row.result is Result.FAILED]


@pytest.mark.parametrize(
    ("bad_ones", "cause"),
    [
        (("redis lk1", "bus lk2", "slot lk2", "signalling lk2", "udp lk2", "backup lk3"), "redis lk1"),
        (("udp lk2", "tcp lk2", "node_ip lk2", "across lk1 and lk2"), "node_ip lk2"),
        (("edge lk2", "slot lk2", "targets lk2", "backup lk2"), "slot lk2"),
        (("join lk2", "keys lk2", "across lk2 and lk1"), "keys lk2"),
        (("segment lk2", "mtu lk2"), "mtu lk2"),
        (("backup lk2", "peer lk2"), "peer lk2"),
        (("tls lk2", "across lk1 and lk2"), "tls lk2"),
        (("turn-tls lk2", "turn-cert lk2"), "turn-cert lk2"),
        (("tls lk2", "edge lk2"), "edge lk2"),
        (("mtu lk2", "address lk2", "ipv6 lk2", "join lk2"), "mtu lk2"),
        (("turn-udp lk2", "hairpin lk2"), "hairpin lk2"),
        (("egress lk2", "targets lk2"), "egress lk2"),
        (("redis lk1", "ingress lk2", "sip lk2"), "redis lk1"),
        (("ipv6 lk2", "ipv6-route lk2"), "ipv6-route lk2"),
        (("loss lk2", "throughput lk2", "jitter lk2", "turn-udp lk2", "across lk2 and lk3"), "loss lk2"),
        (("throughput lk2", "round-trip lk2", "turn-udp lk2"), "throughput lk2"),
        (("slot lk2", "udp lk2", "loss lk2"), "slot lk2"),
        (("firewall lk2", "udp lk2", "turn-udp lk2"), "firewall lk2"),
        (("reach lk2", "udp lk2", "signalling lk2", "peer lk2", "targets lk2"), "reach lk2"),
    ],
)
def test_what_follows_from_a_cause_is_no_cause(bad_ones: tuple[str, ...], cause: str) -> None:
    found = attribute(rows(*bad_ones))
    assert causes(found) == [cause]
    assert {row.because for row in found if row.name != cause} == {cause}


def test_what_happens_elsewhere_explains_nothing() -> None:
    assert causes(attribute(rows("slot lk1", "udp lk2"))) == ["slot lk1", "udp lk2"]
    assert causes(attribute(rows("udp lk2", "tcp lk2"))) == ["udp lk2", "tcp lk2"]
    of_the_site = failed("dns", "", "controller", "it does not resolve", "add it")
    assert causes(attribute([of_the_site, *rows("udp lk2")])) == ["dns", "udp lk2"], "hosts have URLs of their own"
    assert causes(attribute([*rows("slot lk2"), failed("signalling", "", "controller", "503", "see slot")])) == [
        "slot lk2"
    ]


def test_no_cause_explains_itself_by_a_detour() -> None:
    """Else two rows would each follow from the other, and none would be the cause."""
    order = list(EXPLAINS)
    for cause, checks in EXPLAINS.items():
        assert all(order.index(check) > order.index(cause) for check in checks if check in order), cause


def test_a_table_names_causes_with_their_remedies() -> None:
    text = click.unstyle("\n".join(table(attribute(rows("node_ip lk2", "udp lk2", good="slot")))))
    assert "FAILED node_ip lk2 (from controller): it is broken\n       mend it" in text
    assert "from node_ip lk2" in text
    assert text.endswith("1 of 3 checks failed, 1 more follow from them")
    assert "\n".join(table(rows(good="slot edge"))).endswith("ok: 2 checks")


def test_json_keeps_everything() -> None:
    found = attribute(rows("node_ip lk2", "udp lk2", good="slot"))
    said = json.loads(as_json(found, "now"))
    assert (said["ok"], from_json(said["rows"])) == (False, found)
    assert (status(found), status(rows(good="slot"))) == (1, 0)


@pytest.mark.parametrize(
    ("said", "result", "words"),
    [
        (
            {"ok": True, "problems": [], "first_frame_s": 0.5, "largest_gap_ms": 30},
            Result.OK,
            "first sound after 0.5 s",
        ),
        ({"ok": False, "problems": ["call: connect: no way; open one"]}, Result.FAILED, "connect: no way"),
        ("Killed", Result.UNKNOWN, "the call said nothing (Killed)"),
    ],
)
def test_what_a_call_says(said: Any, result: Result, words: str) -> None:
    text = said if isinstance(said, str) else "noise\n" + json.dumps(said)
    row = calls.judged(text, "udp", "lk2", "controller", None)
    assert (row.result, row.said) == (result, words) if result is not Result.OK else words in row.said


def test_only_a_call_by_a_way_that_is_open_is_made_again() -> None:
    good = {"ok": True, "problems": [], "received_s": 1.0}
    silent = {"ok": False, "no_media": True, "problems": ["no way"], "sent": 90, "back": 0}

    def again(said: dict[str, Any], **how: bool) -> bool:
        return calls.again(json.dumps(said), Quality(), **how)

    assert not again(good)
    assert again(good | {"ok": False})
    assert not again(silent)
    assert again(silent | {"back": 7})
    assert again(silent, is_open=True)
    assert not again({"ok": False, "problems": ["the key is refused"]})
    assert not calls.again("Killed", Quality())
    assert not again(good | {"quality": asdict(GOOD)})
    assert again(good | {"quality": asdict(dataclasses.replace(GOOD, loss_up=9.0))})


def test_a_host_that_cannot_be_reached_is_a_row(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(url="ws://192.0.2.11:7880", api_key="API", api_secret="secret")
    monkeypatch.setattr(finish, "_case", lambda site, found: Subject(access=access))
    monkeypatch.setattr(finish, "_from_here", lambda case: rows("udp lk2", "peer lk2", good="slot"))
    run: Any = type("Run", (), {"inventory": []})()
    found = {"lk1": Found((), "ND_one"), "lk2": Unreachable("hosts.lk2: no route; check the address")}
    assert finish.conclude(cluster, run, found) == 1
    assert causes(finish._judged) == ["reach lk2"]


def test_what_others_wrote_does_no_harm_to_a_terminal() -> None:
    row = failed("port", "lk2", "lk2", "is taken by \x1b[31mred", "stop it")
    assert "\x1b[31mred" not in click.unstyle("\n".join(table([row])))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("udp", "no media by UDP to 192.0.2.1:50000; open UDP of livekit.media_udp"),
        ("tcp", "no media by ICE over TCP to 192.0.2.1:7881; open TCP of livekit.ice_tcp"),
        ("turn-udp", "no media by TURN over UDP to turn:192.0.2.1:3478?transport=udp; open UDP of livekit.turn_udp"),
        (
            "turn-udp-443",
            "no media by TURN over UDP 443 to turn:192.0.2.1:443?transport=udp; open UDP 443 (livekit.turn.udp_443)",
        ),
        ("turn-tls", "no media by TURN over TLS to turns:t.example:443?transport=tcp; open TCP 443 from here"),
    ],
)
def test_a_way_that_carries_nothing_is_named_with_its_ports(path: str, words: str) -> None:
    by_443 = "turn:192.0.2.1:443?transport=udp"
    urls = ("turn:192.0.2.1:3478?transport=udp", "turns:t.example:443?transport=tcp", by_443)
    servers = tuple(IceServer(url, "u", "p") for url in urls)
    told = Announced(Node(id="ND", version="1"), "room", (("192.0.2.1", 50000),), (("192.0.2.1", 7881),), servers)
    assert calls.paths(told) == ("udp", "tcp", "turn-udp", "turn-udp-443", "turn-tls")
    without = dataclasses.replace(told, servers=servers[:-1])
    assert calls.paths(without) == ("udp", "tcp", "turn-udp", "turn-tls")
    row = calls.judged(json.dumps({"ok": False, "no_media": True, "problems": ["x; y"]}), path, "lk2", "here", told)
    assert f"{row.said}; {row.remedy}".startswith(words)


@pytest.mark.parametrize("path", ["turn-udp", "turn-udp-443"])
def test_a_way_by_turn_is_by_ipv4_where_there_is_one(path: str) -> None:
    """Otherwise a call comes up by IPv6, and most people stay outside."""
    port = 443 if path == "turn-udp-443" else 3478
    four, six = (IceServer(f"turn:{host}:{port}?transport=udp", "", "") for host in ("192.0.2.1", "[2001:db8::1]"))
    told = Announced(Node(id="ND", version="1"), "room", (), (), (six, four))
    assert told.turn(path) == (four,)
    assert dataclasses.replace(told, servers=(six,)).turn(path) == (six,)
