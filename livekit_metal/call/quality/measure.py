"""A call that is measured: by WebRTC's own statistics while there is sound alone, then while the way is filled."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from dataclasses import dataclass, field

from livekit import rtc
from livekit.rtc.participant import PublishDataError

from livekit_metal.call.client import Call
from livekit_metal.call.participants import EventLog, Publisher, Subscriber
from livekit_metal.call.quality.figures import Figures
from livekit_metal.call.report import Report

# A quarter of a megabyte: in the second that it may take, 2 Mbit/s, which is a camera's picture in 720p
PIECE, PIECES = 1000, 250  # bytes of a message, messages
FILLED = 1.5  # s for all of it to arrive, a retransmission included
LISTENS = 2.0  # s of sound alone, when what joining has sent is through: 100 packets, two reports of the server's
TICK = 0.02  # s
_TOPIC = "fill"


class MeasuredCall(Call):
    """A call whose report has :class:`Figures`. Its sound is thin, so that a way of 64 kbit/s is not full of it."""

    def _seats(self, event_log: EventLog, publisher: str) -> tuple[Publisher, Subscriber]:
        self._late: list[float] = []
        self._clock = asyncio.create_task(_late(self._late))
        self._publisher = Publisher(event_log, self._sound, thin=True)
        self._subscriber = Subscriber(event_log, publisher)
        return self._publisher, self._subscriber

    async def _afterwards(self, report: Report) -> Report:
        try:
            return dataclasses.replace(report, quality=await self._measured())
        except (RuntimeError, TimeoutError, PublishDataError) as error:  # it was a call all the same
            self._publisher.event_log.note("witness", "not measured", str(error))
            return dataclasses.replace(report, events=tuple(self._publisher.event_log.events))
        finally:
            self._clock.cancel()

    async def _measured(self) -> Figures:
        publisher, subscriber = self._publisher.room, self._subscriber.room
        arrived = _Arrived()
        subscriber.on("data_received", arrived.take)
        before = await _seen(publisher), await _seen(subscriber)
        await asyncio.sleep(LISTENS)  # the measure itself
        up, down = await _seen(publisher), await _seen(subscriber)
        late, began = _most(self._late), time.monotonic()
        self._late.clear()
        await self._fill(publisher, subscriber.local_participant.identity, arrived)
        took = time.monotonic() - began
        filled = await _seen(publisher), await _seen(subscriber)
        lost, received = down.lost - before[1].lost, down.received - before[1].received
        share = lost / max(lost + received, 1)  # there and back: the server numbers nothing anew
        up_share = min((up.lost_there - before[0].lost_there) / max(up.sent - before[0].sent, 1), share)
        return Figures(
            loss_up=100 * up_share,
            loss_down=100 * (share - up_share),
            round_trip_ms=1000 * up.round_trip,
            jitter_ms=1000 * max(up.jitter_there, down.jitter),
            rate_kbps=8 * (arrived.bytes + filled[1].sound - down.sound) / took / 1000,
            sent_kbps=8 * (filled[0].bytes - up.bytes) / took / 1000,
            whole=arrived.bytes >= PIECE * PIECES,
            late_ms=1000 * max(late, _most(self._late)),
        )

    async def _fill(self, publisher: rtc.Room, to: str, arrived: _Arrived) -> None:
        """Send until all has arrived or the time is over."""
        try:
            async with asyncio.timeout(FILLED):
                for _ in range(PIECES):
                    await publisher.local_participant.publish_data(
                        bytes(PIECE), reliable=True, destination_identities=[to], topic=_TOPIC
                    )
                await arrived.all.wait()
        except TimeoutError:
            pass  # what did arrive says how much the way carries


@dataclass(slots=True)
class _Arrived:
    bytes: int = 0
    all: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, packet: rtc.DataPacket) -> None:
        if packet.topic == _TOPIC:
            self.bytes += len(packet.data)
        if self.bytes >= PIECE * PIECES:
            self.all.set()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a client knows of its connection; ``…_there`` is what the server says of what gets to it."""

    sent: int
    bytes: int
    lost_there: int
    jitter_there: float
    received: int
    sound: int  # bytes
    lost: int
    jitter: float
    round_trip: float


async def _seen(room: rtc.Room) -> _Seen:
    """Raises RuntimeError when there is no connection any more."""
    async with asyncio.timeout(FILLED):
        told = await room.get_rtc_stats()
    each = [*told.publisher_stats, *told.subscriber_stats]  # one connection, or one for each direction
    outbound = [one.outbound_rtp.sent for one in each if one.HasField("outbound_rtp")]
    there = [one.remote_inbound_rtp.received for one in each if one.HasField("remote_inbound_rtp")]
    sound = [one.inbound_rtp.inbound for one in each if one.HasField("inbound_rtp")]
    inbound = [one.inbound_rtp.received for one in each if one.HasField("inbound_rtp")]
    pairs = [one.candidate_pair.candidate_pair for one in each if one.HasField("candidate_pair")]
    used = [pair for pair in pairs if pair.nominated and pair.responses_received]
    return _Seen(
        sent=sum(one.packets_sent for one in outbound),
        bytes=sum(pair.bytes_sent for pair in pairs),
        lost_there=sum(max(one.packets_lost, 0) for one in there),
        jitter_there=max((one.jitter for one in there), default=0.0),
        received=sum(one.packets_received for one in inbound),
        sound=sum(one.bytes_received + one.header_bytes_received for one in sound),
        lost=sum(max(one.packets_lost, 0) for one in inbound),
        jitter=max((one.jitter for one in inbound), default=0.0),
        round_trip=min((pair.total_round_trip_time / pair.responses_received for pair in used), default=0.0),
    )


def _most(late: list[float]) -> float:
    """What nineteen in twenty do not exceed."""
    return sorted(late)[int(len(late) * 0.95)] if late else 0.0


async def _late(found: list[float]) -> None:
    """By how much (s) each tick of this machine's clock came too late."""
    while True:
        due = time.monotonic() + TICK
        await asyncio.sleep(TICK)
        found.append(time.monotonic() - due)
