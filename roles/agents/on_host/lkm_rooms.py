"""Rooms of lost jobs, as LiveKit's API has them: whose a loss is, who waits there, a new dispatch.

On hosts, beside the launcher of a fleet and beside the watcher (roles/redispatch); standard library. Several know of a
lost job: its worker, the next one of its slot, the watcher of the room's host. Whoever deletes its dispatch has it, and
nobody else counts it or dispatches again: livekit-server deletes a dispatch once (DeleteAgentDispatch, pkg/rtc/room.go
of 1.13.1 and 1.13.9), and has the jobs of that dispatch ended, if they live after all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

MOST = 3  # times for a room: a job that ends every worker must not end all of them
OVER = "its room is over"
KEPT = 500  # rooms whose times are remembered, the last ones
_PEOPLE = ("STANDARD", "SIP")
_NAME = "lk.agent.name"  # attribute of an agent's participant
_ROOM = (0, "JT_ROOM")  # a dispatch of the other kinds is for each participant, of whom others may have theirs


class Tries:
    """How often each room was sent another agent."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def one_more(self, room: str) -> bool:
        """Count it; whether it may be."""
        tried = self.of.pop(room, 0)
        self.of = dict([*self.of.items(), (room, min(tried + 1, MOST))][-KEPT:])
        return tried < MOST


class Rooms:
    """``config`` has ws_url, api_key and api_secret. All of it raises OSError or ValueError."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def dispatches(self, room: str, dispatch: str = "") -> list[dict[str, Any]]:
        """Those of a room, or the one with that id."""
        wanted = {"dispatch_id": dispatch} if dispatch else {}
        found: list[dict[str, Any]] = self.call("AgentDispatchService/ListDispatch", room, wanted).get(
            "agent_dispatches", []
        )
        return found

    def claimed(self, room: str, dispatch: str) -> bool:
        """Delete it; whether it was there."""
        return bool(self.call("AgentDispatchService/DeleteDispatch", room, {"dispatch_id": dispatch}))

    def people(self, room: str) -> list[dict[str, Any]]:
        """Its participants."""
        found: list[dict[str, Any]] = self.call("RoomService/ListParticipants", room, {}).get("participants", [])
        return found

    def over(self, job: Mapping[str, Any]) -> bool:
        """Whether its room is. Then what the room itself answers, as all about dispatches, is 503 after 3 s."""
        rooms = self.call("RoomService/ListRooms", job["room"], {"names": [job["room"]]}).get("rooms", [])
        known = [each["sid"] for each in rooms]
        return job["sid"] not in known if job.get("sid") else not known

    def nobody(self, job: Mapping[str, Any], name: str) -> str:
        """Why nobody is sent to a job's room; '' when somebody is to be: then the lost agent is not shown any more."""
        there = self.people(job["room"])
        if not any(each.get("kind", "STANDARD") in _PEOPLE for each in there):
            return "nobody is left in the room"
        if self.over(job):
            return OVER
        agents = {each["identity"]: each for each in there if each.get("kind") == "AGENT"}
        lost = agents.pop(job["identity"], None)
        if any(each.get("attributes", {}).get(_NAME) == name for each in agents.values()):
            return "another agent of the fleet is in the room"
        if lost:  # LiveKit has not missed it yet
            self.remove(job["room"], job["identity"])
        return ""

    def remove(self, room: str, identity: str) -> None:
        """Have a participant leave."""
        self.call("RoomService/RemoveParticipant", room, {"identity": identity})

    def send(self, room: str, wanted: dict[str, Any], *, once_more: bool) -> str:
        """The id of a new dispatch. ``once_more``: it was asked for before, and nobody knows what came of that."""
        if once_more:
            for each in self.dispatches(room):
                if each.get("agent_name") == wanted["agent_name"]:
                    return str(each["id"])
        return str(self.call("AgentDispatchService/CreateDispatch", room, wanted).get("id", ""))

    def call(self, method: str, room: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """What is not there (any more) has nothing to say."""
        url = self._config["ws_url"].replace("ws", "http", 1) + f"/twirp/livekit.{method}"
        headers = {"Authorization": f"Bearer {self._token(room)}", "Content-Type": "application/json"}
        asked = urllib.request.Request(url, json.dumps({"room": room, **wanted}).encode(), headers)  # noqa: S310 - http, https
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10) as answer:
                said: dict[str, Any] = json.load(answer)
                return said
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            raise

    def _token(self, room: str) -> str:
        now = int(time.time())
        claims = {"iss": self._config["api_key"], "nbf": now - 10, "exp": now + 60}
        parts = (
            {"alg": "HS256", "typ": "JWT"},
            claims | {"video": {"roomAdmin": True, "roomList": True, "room": room}},
        )
        text = ".".join(_coded(json.dumps(part).encode()) for part in parts)
        sign = hmac.new(self._config["api_secret"].encode(), text.encode(), hashlib.sha256)
        return f"{text}.{_coded(sign.digest())}"


def jobs(dispatch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The jobs of a dispatch for a room, as ListDispatch has it."""
    found = (dispatch.get("state") or {}).get("jobs", [])
    return [each for each in found if each.get("type", 0) in _ROOM]


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
