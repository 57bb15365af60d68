"""A conversation with an agent that repeats what it hears: somebody speaks, and listens. Measured like a call."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from livekit import rtc
from livekit.protocol.agent_dispatch import CreateAgentDispatchRequest

from livekit_metal.call.access import Access
from livekit_metal.call.background import Aside
from livekit_metal.call.client import EVERY_WAY
from livekit_metal.call.errors import CallError
from livekit_metal.call.join_info import where
from livekit_metal.call.participants import EventLog, Publisher, Subscriber
from livekit_metal.call.report import Report
from livekit_metal.call.server import server_api, token, trust
from livekit_metal.call.tone import RATE, STEP, tone

ANSWERS = 30.0  # s for the first sound that comes back; what a test promises it says itself


class Listener(Subscriber):
    """Listens to whatever agent there is; joins nowhere itself."""

    def __init__(self, diary: EventLog, room: rtc.Room) -> None:
        super().__init__(diary, "")
        self.room = room
        room.on("track_subscribed", self._agent)

    def _agent(self, track: rtc.Track, publication: rtc.RemoteTrackPublication, whose: rtc.RemoteParticipant) -> None:
        if whose.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            self._publisher = whose.identity
            self._listen(track, publication, whose)


class Conversation(Aside[Report]):
    """``async with Conversation(access, "echo") as one: ...; report = await one.stop()``

    Entering returns when the own sound has come back; raises :class:`CallError` when it does not. ``answered`` is how
    long that took (s), from the dispatch. ``room``: an existing one; default: a new one.
    """

    def __init__(self, access: Access, agent: str, *, within: float = ANSWERS, room: str = "") -> None:
        self._access, self._agent, self._within = access, agent, within
        self.room = room or f"talk-{uuid4().hex[:12]}"
        self.answered = 0.0
        self._listener: Listener | None = None
        super().__init__(self.room)

    def _silent(self, identity: str) -> CallError:
        within = f"within {self._within:.0f} s of the dispatch"
        if identity:
            remedy = f"see the journal of its worker at that time, and whether {self._agent} repeats what it hears"
            return CallError("agent", f"{identity} joined, and nothing came back {within}", remedy)
        remedy = "see procedures/status.py: a worker of that name must be registered, and below its load"
        return CallError("agent", f"no agent {self._agent} joined {within}", remedy)

    @property
    def identity(self) -> str:
        """Of the agent that speaks now, or spoke last."""
        return self._listener._publisher if self._listener else ""

    @property
    def came_back(self) -> float:
        """Seconds of the own sound that have come back so far."""
        return len(self._listener.ear.steps) * STEP / RATE if self._listener else 0.0

    async def _session(self) -> Report:
        trust(self._access)
        started, diary = time.time(), EventLog()
        speaker = Publisher(diary, tone)
        listener = Listener(diary, speaker.room)
        try:
            await speaker.join(self._access.url, token(self._access, room=self.room, identity="caller"), EVERY_WAY)
            node = await where(self._access, self.room)
            await speaker.publish(10)
            asked = time.monotonic()
            async with server_api(self._access) as client:
                wanted = CreateAgentDispatchRequest(room=self.room, agent_name=self._agent)
                await client.agent_dispatch.create_dispatch(wanted)
            try:
                async with asyncio.timeout(self._within):
                    await listener.heard.wait()
            except TimeoutError:
                raise self._silent(listener._publisher) from None
            self.answered = time.monotonic() - asked
            self._listener = listener
            self._up.set_result(None)
            await asyncio.wrap_future(self._stop)
            ear, begin, now = listener.ear, diary.begin, time.monotonic()
            gap = ear.gap(now)
            return Report(
                room=self.room,
                node=node.id,
                version=node.version,
                publish_url=self._access.url,
                subscribe_url=self._access.url,
                started=started,
                seconds=now - ear.steps[0],
                first_frame_s=ear.steps[0] - begin,
                frames=ear.frames,
                received_s=len(ear.steps) * STEP / RATE,
                largest_gap_ms=gap.ms,
                largest_gap_at_s=gap.at - begin,
                tone_share=ear.share,
                late_ms=ear.late_ms,
                events=tuple(diary.events),
            )
        finally:
            diary.closed = True
            await speaker.leave()
