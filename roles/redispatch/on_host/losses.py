"""Agents that left without a word: whose job it was, and another agent for who waits. Standard library.

livekit-server forgets who had a job and whether it lives. It does tell how a participant left: one whose process or
host died is missed (CONNECTION_TIMEOUT, some 20 s later), or its connection was never complete (SIGNAL_CLOSE,
JOIN_FAILURE). All else is somebody's will, or an agent that comes back (pkg/rtc/types/interfaces.go,
ToDisconnectReason, of 1.13.1 and 1.13.9). Whose the loss is: lkm_rooms.py.
"""

from __future__ import annotations

import heapq
import importlib
import itertools
import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livekit_metal.roles.agents.on_host.lkm_rooms import KEPT, OVER, Rooms, Tries, jobs
else:
    _beside = importlib.import_module(
        "lkm_rooms" if not __package__ else "livekit_metal.roles.agents.on_host.lkm_rooms"
    )
    KEPT, OVER, Rooms, Tries, jobs = _beside.KEPT, _beside.OVER, _beside.Rooms, _beside.Tries, _beside.jobs

REASONS = ("CONNECTION_TIMEOUT", "SIGNAL_CLOSE", "JOIN_FAILURE")
LEFT = ("participant_left", "participant_connection_aborted")
JOINED = "participant_joined"
GRACE = 5.0  # s for the agent to come back, and for its worker, which knows better
TAKEN = 20.0  # s in which a worker takes a job; livekit-server drops it when none does (LaunchJob, pkg/agent/client.go)
PATIENCE = 300.0  # s in which a worker must be found, and LiveKit be back
EVERY = 2.0  # s
AT_ONCE = 8  # losses that are seen to
MOST_OPEN = 5000  # losses
_NOT = "it is not dispatched again: {}"
_FAILURES = (OSError, ValueError, LookupError, TypeError, AttributeError)  # of urllib too, and odd answers
_log = logging.getLogger("livekit-metal")


@dataclass
class Loss:
    """An agent that left a room without a word, and what was done about it."""

    room: str
    sid: str
    identity: str
    until: float = 0.0
    replaced: bool = False  # it is back, and another one is in its place
    dispatch: dict[str, Any] = field(default_factory=dict)  # whose job it was
    ours: bool = False
    anew: str = ""  # id of the dispatch in its place
    asked: bool = False
    taken_by: float = 0.0

    def __post_init__(self) -> None:
        self.until, self.taken_by = time.monotonic() + PATIENCE, time.monotonic() + TAKEN

    @property
    def key(self) -> tuple[str, str]:
        return self.sid, self.identity

    @property
    def job(self) -> dict[str, str]:
        return {"room": self.room, "sid": self.sid, "identity": self.identity}


class Losses:
    """``config`` has what Rooms wants, and ``fleets``: agent_name -> fleet. What is open stands in ``directory``."""

    def __init__(self, config: Mapping[str, Any], directory: str | None = None) -> None:
        self._fleets: dict[str, str] = dict(config["fleets"])
        self._rooms, self._tries = Rooms(config), Tries()
        self._file = Path(directory) / "losses" if directory else None
        self.lost = dict.fromkeys(self._fleets.values(), 0)
        self.dispatched = dict(self.lost)
        self._replaced: dict[tuple[str, str], None] = {}  # who is not to come back, the last ones
        self._open: dict[tuple[str, str], Loss] = {}
        self._due: list[tuple[float, int, Loss]] = []
        self._number, self._changed = itertools.count(), threading.Condition()

    def start(self) -> None:
        """See to losses from now on, and to those that were open when the process before this one ended."""
        try:
            before = json.loads(self._file.read_text()) if self._file else {}
            self._tries.of = before.get("tried", {})
            for each in before.get("open", ()):
                self._later(Loss(**each))
        except (OSError, ValueError, TypeError):
            _log.info("nothing was left open")
        for number in range(AT_ONCE):
            threading.Thread(target=self._work, daemon=True, name=f"loss-{number}").start()

    def heard(self, event: Mapping[str, Any]) -> None:
        """A webhook, of which nothing but the signature was looked at."""
        who, room = event.get("participant"), event.get("room")
        if not isinstance(who, dict) or not isinstance(room, dict):
            return
        name, sid, identity = room.get("name"), room.get("sid"), who.get("identity")
        if who.get("kind") != "AGENT" or not (name and sid and identity):
            return
        if event.get("event") == JOINED and (sid, identity) in self._replaced:
            self._later(Loss(name, sid, identity, replaced=True))
        elif event.get("event") in LEFT and who.get("disconnectReason") in REASONS:
            self._later(Loss(name, sid, identity))

    def _later(self, loss: Loss) -> None:
        with self._changed:
            if loss.key in self._open:
                return  # livekit-server says it again when it has not heard the answer
            if len(self._open) >= MOST_OPEN:
                _log.error("too many agents are gone at once: this one is left out", extra=loss.job)
                return
            self._open[loss.key] = loss
            self._push(loss, 0)

    def _push(self, loss: Loss, after: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + after, next(self._number), loss))
        self._changed.notify()
        self._write()

    def _write(self) -> None:
        if self._file:
            new = self._file.with_suffix(".new")
            left = [asdict(each) for each in self._open.values()]
            new.write_text(json.dumps({"open": left, "tried": self._tries.of}))
            new.replace(self._file)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                loss = heapq.heappop(self._due)[2]
            after = self._seen_to(loss)
            with self._changed:
                if after is None:
                    self._open.pop(loss.key, None)
                    self._write()
                else:
                    self._push(loss, after)

    def _seen_to(self, loss: Loss) -> float | None:
        try:
            return self.step(loss)
        except _FAILURES as error:
            if self._over(loss):
                _log.info(_NOT.format(OVER), extra=loss.job)
                return None
            if time.monotonic() < loss.until:
                return EVERY
            _log.error("it cannot be dispatched again", extra=loss.job | {"error": repr(error)})
            return None

    def _over(self, loss: Loss) -> bool:
        try:
            return self._rooms.over(loss.job)
        except _FAILURES:
            return False

    def step(self, loss: Loss) -> float | None:
        """The next thing about it; seconds until the one after that, None: it is over."""
        if loss.replaced:
            self._evict(loss)
            return None
        if not loss.dispatch:
            loss.dispatch = self._whose(loss)
            return GRACE if loss.dispatch else None
        if not loss.ours:
            return self._claim(loss)
        return self._awaited(loss) if loss.anew else self._send(loss)

    def _whose(self, loss: Loss) -> dict[str, Any]:
        """The dispatch, of a fleet of this site and for a room, that it was there by; {}: none (any more)."""
        for each in self._rooms.dispatches(loss.room):
            mine = (job for job in jobs(each) if (job.get("state") or {}).get("participant_identity") == loss.identity)
            if each.get("agent_name") in self._fleets and not each.get("deployment") and any(mine):
                return each
        _log.info("an agent is gone, and its dispatch was seen to, or is of no fleet", extra=loss.job)
        return {}

    def _back(self, loss: Loss) -> bool:
        return loss.identity in [each.get("identity") for each in self._rooms.people(loss.room)]

    def _claim(self, loss: Loss) -> float | None:
        if self._back(loss):
            _log.info("an agent was gone and is back", extra=loss.job)
            return None
        if not self._rooms.claimed(loss.room, loss.dispatch["id"]):
            _log.info("an agent is gone, and somebody else has seen to it", extra=loss.job)
            return None
        loss.ours, fleet = True, self._fleets[loss.dispatch["agent_name"]]
        with self._changed:
            self.lost[fleet] += 1
            may = self._tries.one_more(loss.sid)
        _log.error("a job was lost: its worker or its host is gone", extra=loss.job | {"fleet": fleet})
        if not may:
            _log.error(_NOT.format("its job was lost too often"), extra=loss.job)
        return 0 if may else None

    def _send(self, loss: Loss) -> float | None:
        name, more = loss.dispatch["agent_name"], dict[str, Any]()
        why = "it is back" if self._back(loss) else self._rooms.nobody(loss.job, name)
        if not why and time.monotonic() > loss.until:
            why = "no worker took it"
        if why:
            _log.warning(_NOT.format(why), extra=loss.job)
            return None
        if loss.dispatch.get("attributes"):
            more["attributes"] = loss.dispatch["attributes"]
        wanted = {"agent_name": name, "metadata": loss.dispatch.get("metadata", ""), **more}
        once_more, loss.asked = loss.asked, True
        loss.anew = self._rooms.send(loss.room, wanted, once_more=once_more)
        loss.asked, loss.taken_by = False, time.monotonic() + TAKEN
        return EVERY

    def _awaited(self, loss: Loss) -> float | None:
        if any(jobs(each) for each in self._rooms.dispatches(loss.room, loss.anew)):
            with self._changed:
                self.dispatched[self._fleets[loss.dispatch["agent_name"]]] += 1
                self._replaced = dict.fromkeys([*self._replaced, loss.key][-KEPT:])
            _log.warning("dispatched again", extra=loss.job)
            loss.replaced = True
            return 0
        if time.monotonic() < loss.taken_by:
            return EVERY
        if not self._rooms.claimed(loss.room, loss.anew):
            _log.warning(_NOT.format("somebody deleted the new dispatch"), extra=loss.job)
            return None
        loss.anew = ""
        return 0

    def _evict(self, loss: Loss) -> None:
        """Its host was only cut off: there is another agent now, and there is to be one."""
        if self._back(loss):
            self._rooms.remove(loss.room, loss.identity)
            _log.warning("an agent was gone and is back: another one has its place, so it leaves", extra=loss.job)
