"""The janitor, against an API in memory that does what livekit-server 1.13.5 was seen to do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.api import ServerError
from livekit.protocol.agent_dispatch import AgentDispatch
from livekit.protocol.ingress import IngressInfo, IngressState, ListIngressRequest, ListIngressResponse
from livekit.protocol.models import Room
from livekit.protocol.room import CreateRoomRequest, ListRoomsRequest, ListRoomsResponse

from livekit_metal.janitor import Lost, Report, __main__, sweep
from livekit_metal.janitor.sweep import AT_ONCE

NOBODY = ServerError("unavailable", "twirp error unknown: no response from servers", status=503)
FULL = ServerError("resource_exhausted", "reached configured limit for node", status=429)
TIMEOUT = 30  # s


class Server:
    """Rooms in Redis, and those of them that a node holds."""

    def __init__(self, held: list[str], lost: list[str], age: int = 100) -> None:
        created = int(time.time()) - age
        self.redis = {n: Room(name=n, sid="RM_1", creation_time=created, empty_timeout=TIMEOUT) for n in held + lost}
        self.held = set(held)
        self.touched: list[CreateRoomRequest] = []
        self.questions = self.open = self.most_open = 0
        self.refuses: ServerError | None = None  # what CreateRoom says
        self.between: Callable[[], object] = lambda: None  # happens before rooms are asked for the second time
        self.ingresses: list[IngressInfo] = []
        self.api: Any = SimpleNamespace(agent_dispatch=self, room=self, ingress=self)

    async def list_dispatch(self, name: str) -> list[AgentDispatch]:
        self.questions += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        if name not in self.held:
            raise NOBODY
        return []

    async def list_rooms(self, request: ListRoomsRequest) -> ListRoomsResponse:
        if request.names:
            self.between()
        return ListRoomsResponse(rooms=[r for n, r in self.redis.items() if not request.names or n in request.names])

    async def list_ingress(self, _: ListIngressRequest) -> ListIngressResponse:
        return ListIngressResponse(items=self.ingresses)

    async def create_room(self, request: CreateRoomRequest) -> Room:
        self.touched.append(request)
        if self.refuses:
            raise self.refuses
        room = self.redis[request.name]
        if room.creation_time + room.empty_timeout > time.time():
            self.held.add(request.name)
        else:
            del self.redis[request.name]
        return room


def swept(server: Server, **options: Any) -> Report:
    return asyncio.run(sweep(server.api, patience=0, **options))


def outcomes(report: Report) -> dict[str, str]:
    return {lost.room: lost.outcome for lost in report.lost}


def test_only_rooms_that_nobody_answers_for_are_touched() -> None:
    server, said = Server(held=["live"], lost=["b", "a"]), list[str]()
    report = swept(server, say=said.append)
    assert server.touched == [CreateRoomRequest(name="a"), CreateRoomRequest(name="b")], "without any setting"
    assert (report.rooms, outcomes(report), report.ok) == (3, {"a": "ended", "b": "ended"}, True)
    assert list(server.redis) == ["live"]
    assert said[0] == "2 of 3 rooms do not answer; asking them again in 0 s"


def test_where_every_room_answers_each_is_asked_once() -> None:
    server, said = Server(held=["live", "more"], lost=[]), list[str]()
    assert swept(server, say=said.append) == Report(rooms=2, lost=())
    assert (server.questions, said) == (2, [])


def test_a_room_that_answers_the_second_time_is_left_alone() -> None:
    server = Server(held=[], lost=["slow", "gone"])
    server.between = lambda: server.held.add("slow")
    assert outcomes(swept(server)) == {"gone": "ended"}
    assert [request.name for request in server.touched] == ["gone"]


def test_a_room_that_ends_meanwhile_is_not_made_again() -> None:
    server = Server(held=[], lost=["ending"])
    server.between = server.redis.clear
    assert swept(server) == Report(rooms=1, lost=())
    assert server.touched == []


def test_a_young_room_lives_on_until_its_time() -> None:
    report = swept(Server(held=[], lost=["young"], age=0))
    (lost,) = report.lost
    assert (lost.outcome, lost.until, report.ok) == ("lives", lost.created + TIMEOUT, True)


def test_dry_touches_nothing_and_is_no_success() -> None:
    server = Server(held=[], lost=["gone"])
    report = swept(server, dry=True)
    assert (server.touched, outcomes(report)) == ([], {"gone": "lost"})
    assert [*map(str, report.problems())] == ["rooms: 1 have lost their node; end them: run it without --dry"]


def test_a_room_that_no_node_takes_is_told() -> None:
    server = Server(held=[], lost=["stuck"], age=0)
    server.refuses = FULL
    (problem,) = swept(server).problems()
    said = "rooms.stuck: reached configured limit for node (resource_exhausted); run it again; "
    assert str(problem).startswith(said)


def test_a_room_whose_people_came_back_just_then_is_no_problem() -> None:
    server = Server(held=[], lost=["back"])
    server.refuses = FULL  # of its node; it would have been kept there anyway

    def come_back() -> None:
        if server.touched:
            server.held.add("back")
            server.redis["back"].num_participants = 2

    server.between = come_back
    report = swept(server)
    assert (outcomes(report), report.lost[0].people, report.lost[0].until, report.ok) == (
        {"back": "lives"},
        2,
        None,
        True,
    )


def test_an_api_that_fails_is_not_taken_for_rooms_without_a_node() -> None:
    server = Server(held=[], lost=["a"])

    async def down(name: str) -> list[AgentDispatch]:
        raise ServerError("unknown", "", status=503)  # HAProxy without a slot

    server.list_dispatch = down  # type: ignore[method-assign]
    with pytest.raises(ServerError, match="503"):
        swept(server)
    assert server.touched == []


def test_an_ingress_without_a_state_is_told_and_not_touched() -> None:
    server = Server(held=["live"], lost=[])
    server.ingresses = [IngressInfo(ingress_id="IN_1", state=IngressState()), IngressInfo(ingress_id="IN_2")]
    report = swept(server)
    assert (report.ingresses, report.ok) == (("IN_2",), False)
    (said,) = map(str, report.problems())
    assert said.startswith("ingresses.IN_2: has lost its state: livekit-server crashes")
    assert json.loads(report.to_json())["ingresses"] == ["IN_2"]


def test_an_ingress_that_is_being_made_is_no_problem() -> None:
    server = Server(held=[], lost=[])
    server.ingresses = [IngressInfo(ingress_id="IN_1")]
    listed = server.list_ingress

    async def written(_: ListIngressRequest) -> ListIngressResponse:
        said = await listed(_)
        server.ingresses = [IngressInfo(ingress_id="IN_1", state=IngressState())]
        return said

    server.list_ingress = written  # type: ignore[method-assign]
    assert swept(server).ok


def test_thousands_of_rooms_are_asked_a_few_at_a_time() -> None:
    server = Server(held=[f"live{n}" for n in range(2000)], lost=[f"lost{n}" for n in range(1000)])
    report = swept(server)
    assert (report.rooms, len(report.lost), report.ok) == (3000, 1000, True)
    assert server.most_open == AT_ONCE


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ({"outcome": "lost"}, "has no node"),
        ({"outcome": "ended"}, "ended"),
        ({"outcome": "lives", "people": 2}, "lives on another node: in use"),
        (
            {"outcome": "lives", "until": 1795262537},
            "lives on another node: empty, ends at 2026-11-21 12:02:17 UTC unless somebody joins",
        ),
        ({"outcome": "failed", "detail": "no node"}, "is left: no node"),
    ],
)
def test_the_table_says_what_became_of_a_room(lost: dict[str, Any], said: str) -> None:
    report = Report(rooms=7, lost=(Lost(room="standup", sid="RM_1", created=1795262237, **lost),))
    line = f"  standup  created 2026-11-21 11:57:17 UTC, {said}"
    assert report.table() == f"7 rooms, 1 had lost their node\n{line}"
    read = json.loads(report.to_json())
    assert read["lost"] == [
        {"room": "standup", "sid": "RM_1", "created": 1795262237, "people": 0, "until": None, "detail": ""} | lost
    ]
    assert (read["rooms"], read["ok"], bool(read["problems"])) == (7, report.ok, not report.ok)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--access", "none.json"], "FAILED call: access: none.json: No such file or directory; "),
        (["--inventory", "none.py"], "FAILED call: access: none.py: there is no such inventory; "),
    ],
)
def test_a_site_that_cannot_be_found_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(words) == 1
    assert capsys.readouterr().out.startswith(said)


@pytest.mark.parametrize("words", [["--access", "a", "--inventory", "b"], ["--access", "a", "--patience", "5"]])
def test_wrong_usage_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.main(words)
    assert caught.value.code == 2


def test_a_server_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    access = tmp_path / "access.json"
    access.write_text(json.dumps({"url": "ws://127.0.0.1:1", "api_key": "k", "api_secret": "s" * 32}))
    assert __main__.main(["--access", str(access), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem.startswith("call: node: ws://127.0.0.1:1: Cannot connect")
    assert problem.endswith("; see whether a slot serves there; --through HOST goes by another host")
