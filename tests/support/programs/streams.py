"""Streams into LiveKit: ingresses made through its API, encoders that are not LiveKit's, and who watches."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from livekit import rtc
from livekit.api import LiveKitAPI
from livekit.protocol.ingress import (
    CreateIngressRequest,
    DeleteIngressRequest,
    IngressInfo,
    IngressState,
    ListIngressRequest,
)

from livekit_metal.call.access import Access
from livekit_metal.call.background import Aside
from livekit_metal.call.join_info import where
from livekit_metal.call.participants import EventLog, Ice, Subscriber
from livekit_metal.call.report import Gap, Report, largest_gap
from livekit_metal.call.server import server_api, token
from livekit_metal.call.tone import RATE, STEP, ToneDetector, tone

ENDS = 30.0  # s until LiveKit knows of the end of a stream
COMES = 30.0  # s until a stream is heard and seen: an encoder's start, a transcoder's, a key frame
SETTLES = 3.0  # s of a stream whose gaps are its own: a decoder finds its pace, whatever is deployed
PICTURES = 15  # per second

_TRANSCODED = "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 15 -b:v 300k -c:a aac -b:a 128k"


@contextlib.asynccontextmanager
async def ingress(access: Access, kind: str, **options: Any) -> AsyncIterator[IngressInfo]:
    """An ingress of ``kind`` (RTMP or WHIP) into a room of its own; it goes with the block."""
    name = f"stream-{uuid4().hex[:12]}"
    asked = CreateIngressRequest(
        input_type=f"{kind}_INPUT",
        name=name,
        room_name=name,
        participant_identity=f"encoder-{name}",
        **options,
    )
    async with server_api(access) as client:
        made = await client.ingress.create_ingress(asked)
        try:
            yield made
        finally:
            await _idle(client, made)
            await client.ingress.delete_ingress(DeleteIngressRequest(ingress_id=made.ingress_id))


async def _idle(client: LiveKitAPI, made: IngressInfo) -> None:
    """Wait until no stream of ``made`` runs.

    livekit-server crashes, with all its rooms, when an ingress is deleted in the moment in which its stream reports its
    end (github.com/livekit/livekit/pull/4806, open in August 2026; it befell 1.13.5 here).
    """
    busy = (IngressState.ENDPOINT_BUFFERING, IngressState.ENDPOINT_PUBLISHING)
    async with asyncio.timeout(ENDS):
        while (await _found(client, made)).state.status in busy:
            await asyncio.sleep(0.2)


async def _found(client: LiveKitAPI, made: IngressInfo) -> IngressInfo:
    found = await client.ingress.list_ingress(ListIngressRequest(ingress_id=made.ingress_id))
    return found.items[0]


async def state(access: Access, made: IngressInfo) -> IngressInfo:
    """The ingress as LiveKit sees it now."""
    async with server_api(access) as client:
        return await _found(client, made)


def sound(directory: Path, seconds: int = 8) -> Path:
    """A file with the tone of a call, of whole cycles: it may be played again and again."""
    path = directory / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(tone(0, RATE * seconds).tobytes())
    return path


@contextlib.contextmanager
def encoder(directory: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """ffmpeg, sending sound and moving pictures to an RTMP ``url`` until the block ends."""
    picture = f"testsrc2=size=320x180:rate={PICTURES}"
    words = ["ffmpeg", "-hide_banner", "-loglevel", "warning", "-re", "-f", "lavfi", "-i", picture, "-re"]
    words += ["-stream_loop", "-1", "-i", str(sound(directory)), *_TRANSCODED.split(), "-f", "flv", url]
    log = directory / f"ffmpeg-{uuid4().hex[:6]}.log"
    with log.open("wb") as said, subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=said) as process:
        try:
            yield process
        finally:
            process.terminate()


class _Viewer(Subscriber):
    """Counts pictures besides; the newest stream of each kind."""

    def __init__(self, event_log: EventLog, publisher: str) -> None:
        super().__init__(event_log, publisher)
        self.pictures: list[float] = []
        self.seen = asyncio.Event()
        self._screens: list[rtc.VideoStream] = []

    def _listen(self, track: rtc.Track, publication: rtc.RemoteTrackPublication, whose: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            super()._listen(track, publication, whose)
        elif whose.identity == self._publisher:
            screen = rtc.VideoStream(track)
            self._screens.append(screen)
            self._listening.add(asyncio.create_task(self._see(screen)))

    async def _see(self, screen: rtc.VideoStream) -> None:
        async for _ in screen:
            self.pictures.append(time.monotonic())
            self.seen.set()

    async def leave(self) -> None:
        for screen in self._screens:
            await screen.aclose()
        await super().leave()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What arrived of a stream: the sound as of a call, and the pictures."""

    sound: Report
    pictures: int
    largest_gap_ms: float  # between pictures


class Watch(Aside[Seen]):
    """``async with Watch(access, made) as watch: ...; seen = await watch.stop()``: a participant in a stream's room.

    Entering returns when the stream is heard and seen. Runs in a thread of its own, like a call. Gaps count from
    SETTLES after the first sound on, or from the last :meth:`gap`.
    """

    def __init__(self, access: Access, made: IngressInfo, *, within: float = COMES) -> None:
        self._access, self._made, self._within = access, made, within
        super().__init__(made.room_name)
        self._ear: ToneDetector | None = None
        self._since = 0.0

    def gap(self) -> Gap:
        """The largest gap in the sound so far."""
        now = time.monotonic()
        found = self._gap(now)
        self._since = now
        return found

    def _gap(self, now: float) -> Gap:
        assert self._ear, "it is heard"
        return self._ear.gap(now, self._since or self._ear.steps[0] + SETTLES)

    async def _session(self) -> Seen:
        event_log, room, started = EventLog(), self._made.room_name, time.time()
        viewer = _Viewer(event_log, self._made.participant_identity)
        try:
            url = self._access.through(None)
            await viewer.join(url, token(self._access, room=room, identity=f"viewer-{uuid4().hex[:6]}"), Ice())
            async with asyncio.timeout(self._within):
                await viewer.heard.wait()
                await viewer.seen.wait()
            node = await where(self._access, room)
            self._ear = viewer.ear
            self._up.set_result(None)
            await asyncio.wrap_future(self._stop)
            now = time.monotonic()
            first = viewer.ear.steps[0]
            gap = self._gap(now)
            report = Report(
                room=room,
                node=node.id,
                version=node.version,
                publish_url=self._made.url,
                subscribe_url=url,
                started=started,
                seconds=now - first,
                first_frame_s=first - event_log.begin,
                frames=viewer.ear.frames,
                received_s=len(viewer.ear.steps) * STEP / RATE,
                largest_gap_ms=gap.ms,
                largest_gap_at_s=gap.at - event_log.begin,
                tone_share=viewer.ear.share,
                late_ms=viewer.ear.late_ms,
                events=tuple(event_log.events),
            )
            return Seen(
                sound=report, pictures=len(viewer.pictures), largest_gap_ms=largest_gap(viewer.pictures, now).ms
            )
        finally:
            event_log.closed = True
            await viewer.leave()
