"""A call: a publisher and a subscriber in one room, running in a thread of their own.

Contract: entering a :class:`Call` returns when the tone is heard; leaving it closes everything, whatever
happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Self
from uuid import uuid4

from livekit_metal.call.access import Access
from livekit_metal.call.background import Aside
from livekit_metal.call.errors import CallError
from livekit_metal.call.forced_path import Path, forced
from livekit_metal.call.join_info import where
from livekit_metal.call.participants import EventLog, Ice, Publisher, Subscriber, bounded
from livekit_metal.call.quality.figures import Traffic
from livekit_metal.call.report import Report
from livekit_metal.call.server import Node, token, trust
from livekit_metal.call.tone import RATE, STEP, Sound, tone

PUBLISH = 10.0  # s
SUBSCRIBE = 10.0  # s
EVERY_WAY = Ice()


class Call(Aside[Report]):
    """``async with Call(access) as call: ...; report = await call.stop()``

    ``publish_through`` and ``subscribe_through`` name hosts of the access file (None: the site's URL).
    ``room`` joins a room made before, such as one pinned to a node; by default a fresh one. ``path`` is the only
    way that media may take; without one, ``ice`` says which ways. ``traffic`` counts what a forced path carries (not
    TURN's). ``within`` is the time (s) for the first frame of
    the tone once the track is subscribed. ``say`` gets one line per phase, from the call's thread.
    """

    def __init__(
        self,
        access: Access,
        *,
        publish_through: str | None = None,
        subscribe_through: str | None = None,
        room: str | None = None,
        path: Path | None = None,
        sound: Sound = tone,
        within: float = 10.0,
        ice: Ice = EVERY_WAY,
        traffic: Traffic | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._access, self._through, self._path = access, publish_through, path
        self._urls = access.through(publish_through), access.through(subscribe_through)
        self._tag = uuid4().hex[:12]  # in both identities: several calls may share a room
        self.room = room or f"call-{self._tag}"
        self._sound, self._within, self._ice, self._say = sound, within, ice, say
        self._traffic = traffic or Traffic()
        super().__init__(self.room)

    async def __aenter__(self) -> Self:
        """Raises :class:`CallError` with the step that failed; nothing is left open then."""
        trust(self._access)
        return await super().__aenter__()

    async def where(self) -> Node:
        """Which node holds the room now. Raises :class:`CallError`."""
        return await where(self._access, self.room, self._through)

    async def _session(self) -> Report:
        started, event_log = time.time(), EventLog()
        publisher, subscriber = self._seats(event_log, f"publisher-{self._tag}")
        ways = contextlib.AsyncExitStack()
        stopped = asyncio.wrap_future(self._stop)
        starting = asyncio.create_task(self._start(publisher, subscriber, ways))
        stopped.add_done_callback(lambda _: starting.cancel())  # does nothing once the call is up
        try:
            node = await starting
            self._up.set_result(None)
            await stopped
            await self._finish()
            return await self._afterwards(self._reported(subscriber, started, node))
        finally:
            event_log.closed = True
            await subscriber.leave()
            await publisher.leave()
            await ways.aclose()

    def _seats(self, event_log: EventLog, publisher: str) -> tuple[Publisher, Subscriber]:
        """Who takes part; a kind of call with more than sound brings its own."""
        return Publisher(event_log, self._sound), Subscriber(event_log, publisher)

    async def _finish(self) -> None:
        """What is still to come before the report: nothing, of sound."""

    async def _afterwards(self, report: Report) -> Report:
        """What is done with the call that the report is about: nothing more."""
        return report

    async def _start(self, publisher: Publisher, subscriber: Subscriber, ways: contextlib.AsyncExitStack) -> Node:
        ice = self._ice
        if self._path:
            self._say(f"media may go by {self._path} only")
            ice = await ways.enter_async_context(
                forced(self._access, self._path, self.room, self._through, self._traffic)
            )
        for seat, url in zip((publisher, subscriber), self._urls, strict=True):
            self._say(f"{seat.who} joins {self.room} through {url}")
            identity = f"{seat.who}-{self._tag}"
            await seat.join(url, token(self._access, room=self.room, identity=identity, creates=True), ice)
        node = await self._node(subscriber.event_log)
        self._say(f"publisher publishes the tone; the room is on {node.id or 'an unknown node'}")
        await publisher.publish(PUBLISH)
        await bounded("subscribe", "subscriber's track", SUBSCRIBE, subscriber.subscribed.wait())
        self._say("subscriber is subscribed and listens")
        try:
            async with asyncio.timeout(self._within):
                await subscriber.heard.wait()
        except TimeoutError:
            raise _unheard(subscriber, self._within) from None
        self._say(f"first frame after {subscriber.ear.steps[0] - subscriber.event_log.begin:.2f} s")
        return node

    async def _node(self, event_log: EventLog) -> Node:
        try:
            return await self.where()
        except CallError as error:  # nice to know; a call is a call without it
            event_log.note("witness", "node unknown", error.problem.fact)
            return Node(id="", version="")

    def _reported(self, subscriber: Subscriber, started: float, node: Node) -> Report:
        ear, begin, now = subscriber.ear, subscriber.event_log.begin, time.monotonic()
        gap = ear.gap(now)
        return Report(
            room=self.room,
            node=node.id,
            version=node.version,
            publish_url=self._urls[0],
            subscribe_url=self._urls[1],
            started=started,
            seconds=now - ear.steps[0],
            first_frame_s=ear.steps[0] - begin,
            frames=ear.frames,
            received_s=len(ear.steps) * STEP / RATE,
            largest_gap_ms=gap.ms,
            largest_gap_at_s=gap.at - begin,
            tone_share=ear.share,
            late_ms=ear.late_ms,
            events=tuple(subscriber.event_log.events),
        )


def _unheard(subscriber: Subscriber, within: float) -> CallError:
    ear = subscriber.ear
    if not ear.frames:
        fact = "no frame"
    elif ear.loud:
        fact = f"{ear.frames} frames of another sound than the tone"
    else:
        fact = f"{ear.frames} frames of silence, which is what a receiver plays that gets no packets,"
    remedy = "see whether media (UDP, ICE/TCP or TURN) gets from this machine to the server and back"
    return CallError("first frame", f"{fact} within {within:.0f} s of the subscription", remedy)
