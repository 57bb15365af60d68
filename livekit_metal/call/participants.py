"""The two participants of a call, on the native SDK (PyPI ``livekit``).

Both live in the event loop of their call's thread. They note what the SDK tells them in a :class:`EventLog` and
leave judgement to the report.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from livekit import rtc
from livekit.rtc.participant import PublishTrackError

from livekit_metal.call.errors import CallError, Step, remedy_for
from livekit_metal.call.report import Event
from livekit_metal.call.tone import FRAME, RATE, STEP, Sound, ToneDetector

CONNECT = 3.0  # s for one of the SDK's attempts to reach the server
CLOSE = 5.0  # s for each thing to close: a dead server must not hold us
THIN = 16_000  # bit/s of Opus: the tone is known by it as well as by the SDK's 48 000
QUEUE_MS = 200  # sound ahead of the SDK's own 10 ms clock, so that a busy Python does not thin it out

_LOADING = threading.Lock()  # the SDK's client is a singleton that two threads could make twice

T = TypeVar("T")


class EventLog:
    """Events of one call with their time; closed before the clients leave, so a normal end is no event."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.events: list[Event] = []
        self.closed = False

    def note(self, who: str, what: str, detail: str = "") -> None:
        if not self.closed:
            self.events.append(Event(at=time.monotonic() - self.begin, who=who, what=what, detail=detail))


def proxy_for(url: str) -> str | None:
    """The environment variable with the proxy that the SDK will use for ``url``."""
    name = "HTTPS_PROXY" if url.startswith("wss:") else "HTTP_PROXY"
    return next((each for each in (name, name.lower()) if os.environ.get(each)), None)


async def bounded(step: Step, what: str, seconds: float | None, doing: Awaitable[T], proxy: str | None = None) -> T:
    """The result of ``doing``. Raises :class:`CallError` on a refusal, or after ``seconds`` unless None."""
    try:
        async with asyncio.timeout(seconds):
            return await doing
    except TimeoutError:
        fact = f"{what}: nothing after {seconds} s"
    except (rtc.ConnectError, PublishTrackError) as error:
        fact = f"{what}: {error.message}"
    raise CallError(step, fact, remedy_for(fact, proxy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ice:
    """Which ways media may take."""

    relayed: bool = False  # through TURN and no other way
    servers: tuple[rtc.IceServer, ...] = ()  # in place of those that the server names

    def configuration(self) -> rtc.RtcConfiguration:
        """For the SDK."""
        kind = rtc.IceTransportType.TRANSPORT_RELAY if self.relayed else rtc.IceTransportType.TRANSPORT_ALL
        # Gathering for ever costs 40 % of a core instead of 12 % on a machine with 30 interfaces (lab bridges)
        once = rtc.ContinualGatheringPolicy.GATHER_ONCE
        servers = list(self.servers)
        return rtc.RtcConfiguration(ice_transport_type=kind, continual_gathering_policy=once, ice_servers=servers)


class Seat:
    """One participant."""

    def __init__(self, who: str, event_log: EventLog) -> None:
        self.who, self.event_log = who, event_log
        self.room = rtc.Room()
        self._joining: asyncio.Future[None] | None = None
        self.room.on("reconnecting", lambda: event_log.note(who, "reconnecting"))
        self.room.on("reconnected", lambda: event_log.note(who, "reconnected"))
        self.room.on("disconnected", self._disconnected)

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self.event_log.note(self.who, "disconnected", rtc.DisconnectReason.Name(reason).lower())

    async def join(self, url: str, token: str, ice: Ice) -> None:
        """Takes the SDK half a minute when the server is mute, a minute when media has no path.

        There is no way to end it earlier: the SDK kills the process (SIGTERM, "timed out waiting for
        ReadyForRoomEventRequest") when a connection comes up that nobody waits for any more.
        """
        options = rtc.RoomOptions(connect_timeout=CONNECT, rtc_config=ice.configuration())
        self._joining = asyncio.ensure_future(self.room.connect(url, token, options))
        joined = asyncio.shield(self._joining)
        await bounded("connect", f"{self.who} through {url}", None, joined, proxy_for(url))

    async def leave(self) -> None:
        if self._joining:
            await asyncio.wait({self._joining})
        await _closed(self.room.disconnect())


class Publisher(Seat):
    """Plays a sound, for ever, at the speed of the SDK's clock; ``thin``: in 40 kbit/s with all headers, not 120."""

    def __init__(self, event_log: EventLog, sound: Sound, *, thin: bool = False) -> None:
        super().__init__("publisher", event_log)
        self._sound, self._thin = sound, thin
        with _LOADING:
            self._source = rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)
        self._playing: asyncio.Task[None] | None = None
        self._over = False

    async def publish(self, within: float) -> None:
        track = rtc.LocalAudioTrack.create_audio_track("tone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        options.dtx = False  # a pause of Opus' own would look like a gap
        if self._thin:  # without each packet's sound once more in the next (RED)
            options.red, options.audio_encoding.max_bitrate = False, THIN
        self._playing = asyncio.create_task(self._play())
        published = self.room.local_participant.publish_track(track, options)
        await bounded("publish", "publisher's track", within, published)

    async def _play(self) -> None:
        first = 0
        try:
            while not self._over:
                piece = self._sound(first, STEP)
                await self._source.capture_frame(rtc.AudioFrame(piece.tobytes(), RATE, 1, STEP))
                first += STEP
        except Exception as error:  # the SDK raises nothing narrower; the report shows the gap, this says why
            self.event_log.note(self.who, "stopped playing", str(error))

    async def leave(self) -> None:
        self._over = True
        if self._playing:
            await _closed(self._playing)
        await super().leave()
        await self._source.aclose()


class Subscriber(Seat):
    """Listens to the tracks of one publisher, one after the other when it has to publish again."""

    def __init__(self, event_log: EventLog, publisher: str) -> None:
        super().__init__("subscriber", event_log)
        self.ear = ToneDetector()
        self.subscribed, self.heard = asyncio.Event(), asyncio.Event()
        self._publisher = publisher
        self._streams: list[rtc.AudioStream] = []
        self._listening: set[asyncio.Task[None]] = set()
        self.room.on("track_subscribed", self._listen)
        self.room.on("track_unsubscribed", self._unsubscribed)

    def _listen(self, track: rtc.Track, _: rtc.RemoteTrackPublication, whose: rtc.RemoteParticipant) -> None:
        if whose.identity != self._publisher:
            return
        if self.subscribed.is_set():
            self.event_log.note(self.who, "track subscribed again")
        self.subscribed.set()
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=FRAME * 1000 // RATE)
        self._streams.append(stream)
        self._listening.add(asyncio.create_task(self._hear(stream)))

    def _unsubscribed(self, _: rtc.Track, __: rtc.RemoteTrackPublication, whose: rtc.RemoteParticipant) -> None:
        if whose.identity == self._publisher:
            self.event_log.note(self.who, "track unsubscribed")

    async def _hear(self, stream: rtc.AudioStream) -> None:
        async for event in stream:
            if self.ear.hear(np.frombuffer(event.frame.data, dtype=np.int16), time.monotonic(), stream):
                self.heard.set()

    async def leave(self) -> None:
        for stream in self._streams:
            await _closed(stream.aclose())
        await _closed(asyncio.gather(*self._listening))
        await super().leave()


async def _closed(closing: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(CLOSE):
            await closing
    except TimeoutError:
        pass  # the process' end closes it
