"""Jobs that ended before they should have: counted, and dispatched again where somebody still waits for their agent.

LiveKit does not do it (the server forgets who had a job). Who knows of a job that crashed is its worker; of a worker
that was killed it is the next one of its slot: jobs stand in a file of the unit's runtime directory, which outlives a
restart. Of one that stays away it is the watcher (roles/redispatch), which may have been here first: lkm_rooms.py says
whose a lost job is.
"""

from __future__ import annotations

import importlib
import json
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livekit_metal.roles.agents.on_host.lkm_rooms import OVER, Rooms, Tries
else:
    _beside = importlib.import_module(f"{__package__ or ''}.lkm_rooms".lstrip("."))
    OVER, Rooms, Tries = _beside.OVER, _beside.Rooms, _beside.Tries

PATIENCE = 60  # s that LiveKit may be away
_EVERY = 3  # s
_ROOM = 0  # JobType.JT_ROOM: a dispatch of the other kinds is for each participant, of whom others may have theirs
_KILLED, _CRASHED = "a job was lost: its worker ended before it", "a job was lost: its process ended before it"
_NOT = "it is not dispatched again: {}"
_log = logging.getLogger("livekit-metal")


class Again:
    """``config`` is the launcher's; ``directory``: where jobs are written down."""

    def __init__(self, config: dict[str, Any], directory: str | None) -> None:
        self._config, self._file = config, Path(directory) / "jobs" if directory else None
        self._jobs: dict[str, dict[str, Any]] = {}
        self._tries = Tries()
        self._before: list[dict[str, Any]] = []
        self.lost = self.dispatched = 0

    def read(self) -> None:
        """What the last worker of this slot left behind: it was killed. Before upstream empties the directory."""
        try:
            said = json.loads(self._file.read_text()) if self._file else {}
        except (OSError, ValueError):
            return
        self._tries.of, self._before = said.get("tried", {}), said.get("jobs", [])
        for job in self._before:
            if not self._sends(job):
                self._count(job, _KILLED)

    def ready(self) -> None:
        """LiveKit has taken this worker in."""
        before, self._before = self._before, []
        for job in before:
            self._begin(job, _KILLED)  # counted when it is known that the watcher has not

    def began(self, job: dict[str, Any]) -> None:
        self._jobs[job["id"]] = job
        self._write()

    def ended(self, job: dict[str, Any], *, lost: bool) -> None:
        self._jobs.pop(job["id"], None)
        self._write()
        if lost:
            self._count(job, _CRASHED)
            self._begin(job)

    def _sends(self, job: dict[str, Any]) -> bool:
        return bool(self._config.get("redispatch")) and not self._config["deployment"] and job["type"] == _ROOM

    def _count(self, job: dict[str, Any], what: str) -> None:
        self.lost += 1
        _log.error(what, extra={"room": job["room"], "job_id": job["id"]})

    def _write(self) -> None:
        if self._file:
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps({"jobs": list(self._jobs.values()), "tried": self._tries.of}))
            new.replace(self._file)

    def _begin(self, job: dict[str, Any], uncounted: str = "") -> None:
        if not self._sends(job):
            return
        may = self._tries.one_more(job.get("sid") or job["room"])  # a name comes back, for another room
        todo = job | {"uncounted": uncounted, "once_more": False, "may": may}
        self._write()
        threading.Thread(target=self._again, args=(todo,), daemon=True, name="redispatch").start()

    def _again(self, job: dict[str, Any]) -> None:
        room, end = job["room"], time.monotonic() + PATIENCE
        while True:
            try:
                said = self._dispatched(job)
            except (OSError, ValueError) as error:  # of urllib too
                if self._over(job):
                    said = _NOT.format(OVER)
                elif time.monotonic() > end:
                    said = f"it cannot be dispatched again: {error!r}"
                else:
                    time.sleep(_EVERY)
                    continue
                if job["uncounted"]:
                    self._count(job, job["uncounted"])  # nobody else can have claimed it
            _log.warning(said, extra={"room": room, "job_id": job["id"]})
            return

    def _over(self, job: dict[str, Any]) -> bool:
        try:
            return Rooms(self._config).over(job)
        except (OSError, ValueError):
            return False

    def _dispatched(self, job: dict[str, Any]) -> str:
        """``job`` keeps what is done: it may have to be asked again."""
        room, name, rooms = job["room"], self._config["agent_name"], Rooms(self._config)
        if job["dispatch"] and not rooms.claimed(room, job["dispatch"]):
            return _NOT.format("somebody else has seen to it")
        job["dispatch"] = ""
        if what := job["uncounted"]:
            job["uncounted"] = ""
            self._count(job, what)
        if not job["may"]:
            return _NOT.format("its job was lost too often")
        if why := rooms.nobody(job, name):
            return _NOT.format(why)
        once_more, job["once_more"] = job["once_more"], True
        rooms.send(room, {"agent_name": name, "metadata": job["metadata"]}, once_more=once_more)
        self.dispatched += 1
        return "dispatched again"
