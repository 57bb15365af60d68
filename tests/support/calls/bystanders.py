"""People in one room, and a guest in another who has the server send packets that its kernel refuses."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import numpy as np
from livekit import rtc
from livekit.protocol import rtc as signal

from livekit_metal.call.access import Access
from livekit_metal.call.server import session, token, trust
from livekit_metal.call.tone import FRAME, RATE, tone

TRACKS = 4
GUESTS = 12  # a slot has a socket for each core: some are on that of the bystanders
PINGED = 4.0  # s that a guest stays: pion pings a candidate seven times, 200 ms apart
# Port 0 is sent to by nobody: EINVAL (net/ipv4/udp.c, udp_sendmsg), whatever routes and rules a host has. The addresses
# are of RFC 5737; a candidate of the same address and port would count once.
_CANDIDATES = [f"a=candidate:{i} 1 udp {2130706431 - i} 198.51.100.{i} 0 typ host" for i in range(1, 101)]


def _offer() -> str:
    fingerprint = ":".join(f"{byte:02X}" for byte in secrets.token_bytes(32))
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        f"a=ice-ufrag:{secrets.token_hex(4)}",
        f"a=ice-pwd:{secrets.token_hex(12)}",
        f"a=fingerprint:sha-256 {fingerprint}",
        "a=setup:actpass",
        "a=mid:0",
        "a=sctp-port:5000",
        *_CANDIDATES,
    ]
    return "\r\n".join((*lines, ""))


async def _guest(access: Access) -> None:
    """Joins a room of his own and offers candidates that nothing can be sent to."""
    words = {"access_token": token(access, room=f"guest-{uuid4().hex[:8]}", identity="guest"), "protocol": "16"}
    async with session(access) as client, client.ws_connect(f"{access.url}/rtc", params=words) as link:
        offer = signal.SessionDescription(type="offer", sdp=_offer())
        await link.send_bytes(signal.SignalRequest(offer=offer).SerializeToString())
        answered = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PINGED):
                async for message in link:
                    said = signal.SignalResponse.FromString(message.data)
                    answered = answered or said.WhichOneof("message") == "answer"
        assert answered, "the server took no notice of the guest's offer"


async def _talk(source: rtc.AudioSource) -> None:
    at = 0
    while True:
        await source.capture_frame(rtc.AudioFrame(np.asarray(tone(at, FRAME)).tobytes(), RATE, 1, FRAME))
        at += FRAME


@contextlib.asynccontextmanager
async def _bystanders(access: Access) -> AsyncIterator[list[rtc.Track]]:
    """Somebody talks, on several tracks, and somebody listens: the tracks as he gets them."""
    name, heard = f"bystanders-{uuid4().hex[:8]}", list[rtc.Track]()
    listener, speaker = rtc.Room(), rtc.Room()
    listener.on("track_subscribed", lambda track, *_: heard.append(track))
    await listener.connect(access.url, token(access, room=name, identity="listener"))
    await speaker.connect(access.url, token(access, room=name, identity="speaker"))
    sources = [rtc.AudioSource(RATE, 1) for _ in range(TRACKS)]
    talks = [asyncio.create_task(_talk(source)) for source in sources]
    try:
        for i, source in enumerate(sources):
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
            track = rtc.LocalAudioTrack.create_audio_track(f"track{i}", source)
            await speaker.local_participant.publish_track(track, options)
        async with asyncio.timeout(20):
            while len(heard) < TRACKS or (await _counted(heard))[0] < TRACKS * 50:
                await asyncio.sleep(0.1)
        yield heard
    finally:
        for talk in talks:
            talk.cancel()
        await speaker.disconnect()
        await listener.disconnect()


async def _counted(tracks: list[rtc.Track]) -> tuple[int, int]:
    """Packets that arrived, and that are missing (RFC 3550, 6.4.1)."""
    found = [each.inbound_rtp.received for track in tracks for each in await track.get_stats() if _inbound(each)]
    return sum(each.packets_received for each in found), sum(each.packets_lost for each in found)


def _inbound(stats: Any) -> bool:
    return bool(stats.WhichOneof("stats") == "inbound_rtp")


async def _lost(access: Access) -> tuple[int, int]:
    async with _bystanders(access) as one, _bystanders(access) as other:
        arrived, lost = await _counted([*one, *other])
        await asyncio.gather(*(_guest(access) for _ in range(GUESTS)))
        await asyncio.sleep(0.5)
        now_arrived, now_lost = await _counted([*one, *other])
    return now_arrived - arrived, now_lost - lost


def lost(access: Access) -> tuple[int, int]:
    """(packets that reached bystanders while such guests were there, packets that they miss)."""
    trust(access)
    return asyncio.run(_lost(access))
