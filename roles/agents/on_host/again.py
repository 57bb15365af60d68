"""Jobs that ended before they should have: counted, and dispatched again where somebody still waits for their agent.

LiveKit does not do it (the server forgets who had a job). Who knows of a job that crashed is its worker; of a worker
that was killed it is the next one of its slot: jobs stand in a file of the unit's runtime directory, which outlives a
restart.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MOST = 3  # times for a room: a job that ends every worker must not end all of them
KEPT = 500  # rooms whose times are remembered, the last ones
PATIENCE = 60  # s that LiveKit may be away
_EVERY = 3  # s
_ROOM = 0  # JobType.JT_ROOM: a dispatch of the other kinds is for each participant, of whom others may have theirs
_PEOPLE = ("STANDARD", "SIP")
_NAME = "lk.agent.name"  # attribute of an agent's participant
_log = logging.getLogger("livekit-metal")


class Again:
    """``config`` is the launcher's; ``directory``: where jobs are written down."""

    def __init__(self, config: dict[str, Any], directory: str | None) -> None:
        self._config, self._file = config, Path(directory) / "jobs" if directory else None
        self._jobs: dict[str, dict[str, Any]] = {}
        self._tried: dict[str, int] = {}
        self._before: list[dict[str, Any]] = []
        self.lost = self.dispatched = 0

    def read(self) -> None:
        """What the last worker of this slot left behind: it was killed. Before upstream empties the directory."""
        try:
            said = json.loads(self._file.read_text()) if self._file else {}
        except (OSError, ValueError):
            return
        self._tried, self._before = said.get("tried", {}), said.get("jobs", [])
        for job in self._before:
            self._count(job, "a job was lost: its worker ended before it")

    def ready(self) -> None:
        """LiveKit has taken this worker in."""
        before, self._before = self._before, []
        for job in before:
            self._begin(job)

    def began(self, job: dict[str, Any]) -> None:
        self._jobs[job["id"]] = job
        self._write()

    def ended(self, job: dict[str, Any], *, lost: bool) -> None:
        self._jobs.pop(job["id"], None)
        self._write()
        if lost:
            self._count(job, "a job was lost: its process ended before it")
            self._begin(job)

    def _count(self, job: dict[str, Any], what: str) -> None:
        self.lost += 1
        _log.error(what, extra={"room": job["room"], "job_id": job["id"]})

    def _write(self) -> None:
        if self._file:
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps({"jobs": list(self._jobs.values()), "tried": self._tried}))
            new.replace(self._file)

    def _begin(self, job: dict[str, Any]) -> None:
        if not self._config.get("redispatch") or self._config["deployment"] or job["type"] != _ROOM:
            return
        this = job.get("sid") or job["room"]  # a name comes back, for another room
        tried = self._tried.pop(this, 0)
        self._tried = dict([*self._tried.items(), (this, min(tried + 1, MOST))][-KEPT:])
        self._write()
        if tried < MOST:
            threading.Thread(target=self._again, args=(job,), daemon=True, name="redispatch").start()
        else:
            _log.error("it is not dispatched again: its job was lost too often", extra={"room": job["room"]})

    def _again(self, job: dict[str, Any]) -> None:
        room, end = job["room"], time.monotonic() + PATIENCE
        while True:
            try:
                said = self._dispatched(job)
            except (OSError, ValueError) as error:  # of urllib too
                if time.monotonic() > end:
                    _log.error("it cannot be dispatched again", extra={"room": room, "error": repr(error)})
                    return
            else:
                _log.warning(said, extra={"room": room, "job_id": job["id"]})
                return
            time.sleep(_EVERY)

    def _dispatched(self, job: dict[str, Any]) -> str:
        room, name = job["room"], self._config["agent_name"]
        there = self._call("RoomService/ListParticipants", room, {}).get("participants", [])
        if not any(each.get("kind", "STANDARD") in _PEOPLE for each in there):
            return "it is not dispatched again: nobody is left in the room"
        rooms = self._call("RoomService/ListRooms", room, {"names": [room]}).get("rooms", [])
        if job.get("sid") and job["sid"] not in [each["sid"] for each in rooms]:
            return "it is not dispatched again: its room is over"
        agents = [each for each in there if each.get("kind") == "AGENT"]
        if any(
            each["identity"] != job["identity"] and each.get("attributes", {}).get(_NAME) == name for each in agents
        ):
            return "it is not dispatched again: another agent of the fleet is in the room"
        if any(each["identity"] == job["identity"] for each in agents):  # LiveKit has not missed it yet
            self._call("RoomService/RemoveParticipant", room, {"identity": job["identity"]})
        if job["dispatch"]:
            self._call("AgentDispatchService/DeleteDispatch", room, {"dispatch_id": job["dispatch"]})
        wanted = {"agent_name": name, "metadata": job["metadata"]}
        self._call("AgentDispatchService/CreateDispatch", room, wanted)
        self.dispatched += 1
        return "dispatched again"

    def _call(self, method: str, room: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Raises OSError or ValueError; what is not there (any more) has nothing to say."""
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


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
