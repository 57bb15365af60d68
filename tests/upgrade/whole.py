"""A call as people have them: sound, video, and data messages of both kinds, each counted where it arrives."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import fields
from typing import Any, cast

import numpy as np
from livekit import rtc

from livekit_metal.call.client import Call
from livekit_metal.call.errors import CallError
from livekit_metal.call.participants import CLOSE, EventLog, Publisher, Subscriber, bounded
from livekit_metal.call.report import Report, largest_gap
from livekit_metal.call.server import Node
from livekit_metal.call.tone import Sound, tone
from tests.upgrade import messages, pictures
from tests.upgrade.messages import Ledger
from tests.upgrade.pictures import Eye
from tests.upgrade.report import LOSSY, RELIABLE, WholeReport

COMES = 15.0  # s until the first picture and the first messages are there, once the tone is heard
ARRIVES = 5.0  # s for what is on its way in the end; SCTP sends again after 1 s and more (RFC 9260, 16)
_AS_IT_IS = cast(Any, rtc.DegradationPreference.MAINTAIN_FRAMERATE_AND_RESOLUTION)


class WholePublisher(Publisher):
    """Shows pictures and sends messages besides."""

    def __init__(self, event_log: EventLog, sound: Sound, ledgers: dict[str, Ledger]) -> None:
        super().__init__(event_log, sound)
        self._ledgers = ledgers
        self._camera = rtc.VideoSource(pictures.WIDTH, pictures.HEIGHT)
        self._doing: list[asyncio.Task[None]] = []

    async def publish(self, within: float) -> None:
        await super().publish(within)
        track = rtc.LocalVideoTrack.create_video_track("pictures", self._camera)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, video_codec=rtc.VideoCodec.VP8)
        options.simulcast = False  # one layer: another one would be shown after a loss
        options.video_encoding.max_framerate, options.video_encoding.max_bitrate = pictures.PER_SECOND, 150_000
        options.degradation_preference = _AS_IT_IS
        await bounded("publish", "publisher's video", within, self.room.local_participant.publish_track(track, options))
        self._doing = [asyncio.create_task(self._show()), asyncio.create_task(self._send())]

    async def _show(self) -> None:
        began, number, kind = time.monotonic(), 0, rtc.VideoBufferType.I420
        while True:
            picture = pictures.drawn(number % pictures.NUMBERS)
            self._camera.capture_frame(rtc.VideoFrame(pictures.WIDTH, pictures.HEIGHT, kind, picture))
            # not what is overdue: a camera takes no pictures of the past
            number = max(number + 1, int((time.monotonic() - began) * pictures.PER_SECOND))
            await asyncio.sleep(began + number / pictures.PER_SECOND - time.monotonic())

    async def _send(self) -> None:
        due = time.monotonic()
        try:
            while True:
                for topic, ledger in self._ledgers.items():
                    message, reliable = ledger.next(due), topic == RELIABLE
                    await self.room.local_participant.publish_data(message, reliable=reliable, topic=topic)
                due += 1 / messages.PER_SECOND
                await asyncio.sleep(due - time.monotonic())
        except Exception as error:  # the SDK raises nothing narrower; the report shows the loss, this says why
            self.event_log.note(self.who, "stopped sending", str(error))

    async def quiet(self) -> None:
        """Show and send no more."""
        for task in self._doing:
            task.cancel()
        await asyncio.gather(*self._doing, return_exceptions=True)

    async def leave(self) -> None:
        await self.quiet()
        await super().leave()
        await self._camera.aclose()


class WholeSubscriber(Subscriber):
    """Looks and reads besides."""

    def __init__(self, event_log: EventLog, publisher: str, ledgers: dict[str, Ledger]) -> None:
        super().__init__(event_log, publisher)
        self.eye, self.seen = Eye(), asyncio.Event()
        self._ledgers = ledgers
        self._tracks: dict[int, rtc.Track] = {}  # by kind: the newest
        self._screens: list[rtc.VideoStream] = []
        self.room.on("data_received", self._read)

    def _listen(self, track: rtc.Track, publication: rtc.RemoteTrackPublication, whose: rtc.RemoteParticipant) -> None:
        if whose.identity != self._publisher:
            return
        again = track.kind in self._tracks
        self._tracks[track.kind] = track
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            super()._listen(track, publication, whose)
            return
        if again:
            self.event_log.note(self.who, "track subscribed again", "video")
        screen = rtc.VideoStream(track, format=rtc.VideoBufferType.I420)
        self._screens.append(screen)
        self._listening.add(asyncio.create_task(self._look(screen)))

    async def _look(self, screen: rtc.VideoStream) -> None:
        async for event in screen:
            shape, at = (event.frame.height, event.frame.width), time.monotonic()
            luma = np.frombuffer(event.frame.data, dtype=np.uint8, count=shape[0] * shape[1]).reshape(shape)
            if self.eye.see(luma, at):
                self.seen.set()

    def _read(self, packet: rtc.DataPacket) -> None:
        ledger = self._ledgers.get(packet.topic or "")
        if ledger and packet.participant and packet.participant.identity == self._publisher:
            ledger.take(packet.data, time.monotonic())

    async def lost(self) -> dict[int, int]:
        """Packets that did not arrive, by kind of track (RFC 3550, 6.4.1), as this client's WebRTC counts them."""
        counted: dict[int, int] = {}
        with contextlib.suppress(TimeoutError):  # nobody answers for a track that is gone
            async with asyncio.timeout(CLOSE):
                for kind, track in self._tracks.items():
                    found: list[Any] = await track.get_stats()
                    inbound = [each.inbound_rtp.received for each in found if each.WhichOneof("stats") == "inbound_rtp"]
                    counted[kind] = sum(each.packets_lost for each in inbound)
        return counted

    async def leave(self) -> None:
        for screen in self._screens:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE):
                    await screen.aclose()
        await super().leave()


class WholeCall(Call):
    """A call with everything; its report is a :class:`WholeReport`."""

    _publisher: WholePublisher
    _subscriber: WholeSubscriber
    _ledgers: dict[str, Ledger]
    _before: dict[int, int]
    _lost: dict[int, int]
    _over_at: float  # the video, on the clock of the arrivals

    def _seats(self, event_log: EventLog, publisher: str) -> tuple[Publisher, Subscriber]:
        self._ledgers = {RELIABLE: Ledger(), LOSSY: Ledger()}
        self._publisher = WholePublisher(event_log, tone, self._ledgers)
        self._subscriber = WholeSubscriber(event_log, publisher, self._ledgers)
        return self._publisher, self._subscriber

    async def _start(self, publisher: Publisher, subscriber: Subscriber, ways: contextlib.AsyncExitStack) -> Node:
        node = await super()._start(publisher, subscriber, ways)
        try:
            async with asyncio.timeout(COMES):
                await self._subscriber.seen.wait()
                while not all(ledger.arrived for ledger in self._ledgers.values()):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            missing = [topic for topic, ledger in self._ledgers.items() if not ledger.arrived]
            fact = f"no {' and no '.join(missing)} message" if self._subscriber.seen.is_set() else "no picture"
            remedy = "see the server's journal, and what its room allows"
            raise CallError("first frame", f"sound arrives, but {fact} within {COMES:.0f} s", remedy) from None
        self._before = await self._subscriber.lost()
        return node

    async def _finish(self) -> None:
        """Let what is on its way arrive."""
        self._lost = await self._subscriber.lost()
        self._over_at = time.monotonic()
        await self._publisher.quiet()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ARRIVES):
                while not self._ledgers[RELIABLE].complete:
                    await asyncio.sleep(0.05)

    def _reported(self, subscriber: Subscriber, started: float, node: Node) -> WholeReport:
        seen, sound = self._subscriber.eye.new, super()._reported(subscriber, started, node)
        gap = largest_gap(seen, self._over_at)
        return WholeReport(
            **{field.name: getattr(sound, field.name) for field in fields(Report)},
            pictures=len(seen),
            video_s=self._over_at - seen[0],
            picture_gap_ms=gap.ms,
            picture_gap_at_s=gap.at - subscriber.event_log.begin,
            reliable=self._ledgers[RELIABLE].told(),
            lossy=self._ledgers[LOSSY].told(),
            sound_lost=self._new_losses(rtc.TrackKind.KIND_AUDIO),
            video_lost=self._new_losses(rtc.TrackKind.KIND_VIDEO),
        )

    def _new_losses(self, kind: int) -> int:
        """Packets lost since the call was up; -1 where the client did not say."""
        return self._lost[kind] - self._before.get(kind, 0) if kind in self._lost else -1

    async def stop(self) -> WholeReport:
        report = await super().stop()
        assert isinstance(report, WholeReport)
        return report
