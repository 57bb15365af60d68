"""What the edge's configuration makes HAProxy do: flips, reloads, failures. On loopback, with HAProxy itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from livekit_metal.core.slots.decision import CLIENT_SOURCE_ADDRESS
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.slots import active_slot
from tests.render.edge.edge_rig import Edge, free_ports, get, tried_in_vain, websocket
from tests.render.edge.fake_slot import FakeSlot
from tests.render.edge.run_here import run_here


@pytest.fixture
def slots() -> Iterator[dict[str, FakeSlot]]:
    made = {name: FakeSlot(name, port) for name, port in zip("abc", free_ports(3), strict=True)}
    yield made
    for slot in made.values():
        slot.stop()


MakeEdge = Callable[..., Edge]


@pytest.fixture
def make_edge(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeEdge]:
    monkeypatch.setattr(active_slot, "run", run_here)
    made: list[Edge] = []

    def make(slots: dict[str, FakeSlot], peer: Edge | None = None, **settings: object) -> Edge:
        behind = {"peers": {"other": "127.0.0.1"}} if peer else {}
        edge = Edge(
            program("haproxy", "haproxy"),
            tmp_path / f"edge{len(made)}",
            slots,
            peer.own_peer if peer else 0,
            **behind,
            **settings,
        )
        made.append(edge)
        return edge

    yield make
    for edge in made:
        edge.stop()


@pytest.fixture
def edge(make_edge: MakeEdge, slots: dict[str, FakeSlot]) -> Edge:
    """An edge whose slots a and b run and whose active slot is a."""
    slots["a"].start()
    slots["b"].start()
    made = make_edge(slots)
    made.flip("a")
    return made


def who(port: int, path: str = "/x") -> str:
    status, body = get(port, path)
    return str(json.loads(body)["slot"]) if status == 200 else str(status)


def test_before_the_first_activation_it_says_503(make_edge: MakeEdge, slots: dict[str, FakeSlot]) -> None:
    made = make_edge(slots)
    assert (who(made.http), who(made.own_peer)) == ("503", "503")


def test_a_flip_needs_no_reload_and_leaves_websockets_where_they_are(edge: Edge) -> None:
    Path(edge.active.file).write_text("# note\nsip z\nlivekit a\n")
    with websocket(edge.http) as say:
        assert (say("1"), who(edge.http), who(edge.own_peer)) == ("a:1", "a", "a")
        for slot in ("b", "b", "a", "b"):
            edge.flip(slot)
            assert (who(edge.http), who(edge.own_peer)) == (slot, slot)
        assert say("2") == "a:2"
    assert Path(edge.active.file).read_text() == "# note\nsip z\nlivekit b\n"
    assert "old workers" not in edge.log
    assert " sip z\n" in edge.tell(f"show map {edge.active.file}")


def test_a_flip_to_a_slot_that_does_not_answer_is_refused(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active_slot, "FUNCTIONS", active_slot.FUNCTIONS.replace("+ 15", "+ 1"))
    with pytest.raises(HostError, match="did not see slot c of livekit answer"):
        edge.flip("c")
    assert Path(edge.active.file).read_text() == "livekit a\n"
    assert who(edge.http) == "a"


def test_a_map_that_lags_behind_the_file_catches_up(edge: Edge) -> None:
    """What a deploy leaves that was killed between the rename and the map."""
    Path(edge.active.file).write_text("livekit b\nsip z\n")
    assert who(edge.http) == "a"
    active_slot.follow(None, edge.active)  # type: ignore[arg-type]
    assert who(edge.http) == "b"
    Path(edge.active.file).write_text("livekit b\n")
    active_slot.follow(None, edge.active)  # type: ignore[arg-type]
    assert "sip" not in edge.tell(f"show map {edge.active.file}")


def test_a_reload_keeps_websockets_and_refuses_nobody(edge: Edge) -> None:
    with websocket(edge.http) as say:
        for i in range(3):
            edge.reload(description=f"reload{i}", connections=200 + i)
            assert who(edge.http) == "a"
            assert say("x") == "a:x"


def test_a_reload_reads_the_active_file(edge: Edge) -> None:
    edge.flip("b")
    edge.reload(description="second")
    assert who(edge.http) == "b"


@pytest.mark.parametrize("path", ["/rtc?access_token=x", "/rtc/v1", "//rtc"])
def test_signalling_can_be_told_from_the_rest_by_its_slot(edge: Edge, path: str) -> None:
    for port in (edge.http, edge.own_peer):
        found = [json.loads(get(port, each)[1])["from"] for each in (path, "/agent", "/twirp/livekit.RoomService/x")]
        assert found == [CLIENT_SOURCE_ADDRESS, "127.0.0.1", "127.0.0.1"]


def two_hosts(make_edge: MakeEdge, slots: dict[str, FakeSlot]) -> tuple[Edge, FakeSlot]:
    """An edge that leads to slot a, with another host behind it, and that host's slot."""
    theirs = {name: FakeSlot("their " + name, port) for name, port in zip("abc", free_ports(3), strict=True)}
    for slot in (slots["a"], theirs["b"]):
        slot.start()
    other = make_edge(theirs)
    other.flip("b")
    mine = make_edge(slots, peer=other)
    mine.flip("a")
    mine.until(lambda: mine.up("peers", "other"))
    assert who(mine.http) == "a"
    return mine, theirs["b"]


def test_signalling_leaves_a_dead_slot_too(make_edge: MakeEdge, slots: dict[str, FakeSlot]) -> None:
    mine, _ = two_hosts(make_edge, slots)
    slots["a"].stop()
    assert (who(mine.http, "/rtc"), who(mine.own_peer, "/rtc")) == ("their b", "503")


def test_a_dead_slot_is_left_for_the_other_hosts(make_edge: MakeEdge, slots: dict[str, FakeSlot]) -> None:
    mine, theirs = two_hosts(make_edge, slots)
    slots["a"].stop()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(who, mine.http)
        mine.until(lambda: not mine.up("livekit_a", "local"))
        assert who(mine.http) == "their b"
        assert first.result() == "their b", "not one request is lost"
    before = tried_in_vain(mine)
    assert before > 0, "the first one had to find out"
    assert who(mine.http) == "their b"
    assert tried_in_vain(mine) == before, "the next one need not find out for itself"
    assert who(mine.own_peer) == "503", "what comes from a peer is never sent on"
    theirs.stop()
    mine.until(lambda: who(mine.http) == "503")
    before = tried_in_vain(mine)
    assert who(mine.http) == "503"
    assert tried_in_vain(mine) == before, "nobody is asked who is known to be gone"


def test_a_host_without_an_active_slot_uses_the_others(make_edge: MakeEdge, slots: dict[str, FakeSlot]) -> None:
    slots["a"].start()
    other = make_edge(slots)
    other.flip("a")
    empty = make_edge({"z": FakeSlot("z", free_ports(1)[0])}, peer=other)
    empty.until(lambda: who(empty.http) == "a")
    assert who(empty.own_peer) == "503"
    Path(empty.active.file).write_text("livekit gone\n")
    active_slot.follow(None, empty.active)  # type: ignore[arg-type]
    assert (who(empty.http), who(empty.own_peer)) == ("a", "503"), "the file names a slot that nobody knows"


def test_a_slot_that_is_not_ready_gets_nobody_and_keeps_its_websockets(edge: Edge, slots: dict[str, FakeSlot]) -> None:
    with websocket(edge.http) as say:
        slots["a"].health = 406
        edge.until(lambda: who(edge.http) == "503")
        assert (who(edge.own_peer), say("1")) == ("503", "a:1")
        slots["a"].health = 200
        edge.until(lambda: who(edge.http) == "a")
        assert say("2") == "a:2"


def _headers(port: int) -> dict[str, str]:
    said = get(port, X_Forwarded_For="192.0.2.66", CF_Connecting_IP="192.0.2.66", X_Real_IP="192.0.2.66")[1]
    return {k.lower(): v for k, v in json.loads(said)["headers"].items() if "192.0.2" in v or "127.0.0.1" in v}


def test_a_client_cannot_say_who_it_is(edge: Edge) -> None:
    headers = _headers(edge.http)
    assert headers.pop("x-forwarded-for") == "127.0.0.1"
    assert set(headers) <= {"host"}


def test_our_own_proxies_can(make_edge: MakeEdge, slots: dict[str, FakeSlot]) -> None:
    slots["a"].start()
    made = make_edge(slots, proxies=("127.0.0.0/8",))
    made.flip("a")
    headers = _headers(made.http)
    assert {headers[n] for n in ("x-forwarded-for", "cf-connecting-ip", "x-real-ip")} == {"192.0.2.66"}


def test_no_token_is_logged(edge: Edge) -> None:
    with websocket(edge.http):
        get(edge.http, "/rtc/validate?access_token=SECRET")
        get(edge.http, "/?access_token=SECRET")
    edge.until(lambda: "GET /rtc/validate" in edge.log and "GET /rtc\n" in edge.log)
    assert "SECRET" not in edge.log


def test_metrics_of_empty_slots_are_empty_and_of_a_silent_active_one_a_failure(edge: Edge) -> None:
    assert "haproxy_process_max_connections 100" in get(edge.metrics, "/metrics")[1]
    assert get(edge.metrics, "/livekit/b") == (200, "# slot b does not answer\n")
    assert get(edge.metrics, "/livekit/a") == (503, "# slot a does not answer\n")
    slot = FakeSlot("metrics of b", edge.settings.slots[1].metrics)
    slot.start()
    assert json.loads(get(edge.metrics, "/livekit/b")[1])["slot"] == "metrics of b"
    slot.stop()
    assert get(edge.metrics, "/livekit/x")[0] == get(edge.metrics, "/")[0] == 404


@pytest.mark.parametrize(
    ("asked", "arrives"),
    [
        ("/live.kit/twirp/x?y=/live.kit/", "/twirp/x?y=/live.kit/"),
        ("/live.kit/rtc/v1", "/rtc/v1"),
        ("/live.kit/w/../rtc", "/w/../rtc"),
        ("/rtc", "/rtc"),
        ("/livexkit/rtc", "/livexkit/rtc"),
        ("/live.kits/rtc", "/live.kits/rtc"),
        ("/x/live.kit/rtc", "/x/live.kit/rtc"),
    ],
)
def test_a_prefix_is_taken_off_once_and_only_in_front(
    make_edge: MakeEdge, slots: dict[str, FakeSlot], asked: str, arrives: str
) -> None:
    slots["a"].start()
    made = make_edge(slots, path_prefix="/live.kit")
    made.flip("a")
    assert json.loads(get(made.http, asked)[1])["path"] == arrives
