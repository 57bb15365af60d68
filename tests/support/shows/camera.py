"""Somebody in a room who shows one colour and sounds one tone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import numpy as np
from livekit import rtc

from livekit_metal.call.access import Access
from livekit_metal.call.server import token, trust
from livekit_metal.call.tone import FRAME, RATE, tone

WIDTH, HEIGHT, PER_SECOND = 320, 180, 5
COLOUR = (230, 120, 20)  # RGB: none that the page, or a browser, has by itself


@asynccontextmanager
async def camera(access: Access) -> AsyncIterator[str]:
    """The name of a room in which it is."""
    trust(access)
    room, name = rtc.Room(), f"show-{uuid4().hex[:8]}"
    await room.connect(access.url, token(access, room=name, identity="camera"))
    pictures, sound = rtc.VideoSource(WIDTH, HEIGHT), rtc.AudioSource(RATE, 1)
    doing = [asyncio.create_task(_show(pictures)), asyncio.create_task(_talk(sound))]
    try:
        seen = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False)
        await room.local_participant.publish_track(rtc.LocalVideoTrack.create_video_track("seen", pictures), seen)
        heard = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
        await room.local_participant.publish_track(rtc.LocalAudioTrack.create_audio_track("heard", sound), heard)
        yield name
    finally:
        for task in doing:
            task.cancel()
        await asyncio.gather(*doing, return_exceptions=True)
        await room.disconnect()


async def _show(source: rtc.VideoSource) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), COLOUR, np.uint8).tobytes()
    while True:
        source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGB24, picture))
        await asyncio.sleep(1 / PER_SECOND)


async def _talk(source: rtc.AudioSource) -> None:
    at = 0
    while True:
        await source.capture_frame(rtc.AudioFrame(np.asarray(tone(at, FRAME)).tobytes(), RATE, 1, FRAME))
        at += FRAME
