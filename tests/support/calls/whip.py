"""A WHIP publisher that is not LiveKit's own: aiortc, with the tone of a call and moving pictures (RFC 9725)."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import ssl
import time
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import aiohttp
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame, VideoFrame

from livekit_metal.call.tone import RATE, STEP, tone

CONNECTS = 15.0  # s for media to find its way
_PICTURES = 15  # per second


class _Paced(MediaStreamTrack):
    """Hands out a frame when its time has come."""

    def __init__(self, rate: int, step: int) -> None:
        super().__init__()
        self._base, self._step, self._at, self._began = fractions.Fraction(1, rate), step, 0, 0.0

    async def _next(self) -> int:
        """The time stamp of the frame that is due."""
        self._began = self._began or time.monotonic()
        at = self._at
        self._at += self._step
        await asyncio.sleep(max(0.0, self._began + float(at * self._base) - time.monotonic()))
        return at


class _Tone(_Paced):
    kind = "audio"

    def __init__(self) -> None:
        super().__init__(RATE, STEP)

    async def recv(self) -> AudioFrame:
        at = await self._next()
        frame = AudioFrame.from_ndarray(tone(at, STEP).reshape(1, -1), format="s16", layout="mono")
        frame.pts, frame.time_base, frame.sample_rate = at, self._base, RATE
        return frame


class _Pictures(_Paced):
    kind = "video"

    def __init__(self) -> None:
        super().__init__(90_000, 90_000 // _PICTURES)

    async def recv(self) -> VideoFrame:
        at = await self._next()
        grey = np.full((180, 320, 3), at // self._step % 256, dtype=np.uint8)
        frame = VideoFrame.from_ndarray(grey, format="rgb24")
        frame.pts, frame.time_base = at, self._base
        return frame


@contextlib.asynccontextmanager
async def whip(url: str, key: str, *, ca_file: str | None = None) -> AsyncIterator[str]:
    """Publish to the WHIP endpoint ``url`` until the block ends; the resource's URL. Raises AssertionError.

    ``ca_file``: of a site with a CA of its own.
    """
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(_Tone())
    peer.addTrack(_Pictures())
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca_file))
    async with aiohttp.ClientSession(connector=connector) as session:
        resource = ""
        try:
            await peer.setLocalDescription(await peer.createOffer())
            headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {key}"}
            async with session.post(url, data=peer.localDescription.sdp, headers=headers) as answer:
                said = await answer.text()
                assert answer.status == 201, f"{url} says {answer.status}: {said}"
                resource = urljoin(url, answer.headers["Location"])
            await peer.setRemoteDescription(RTCSessionDescription(said, "answer"))
            async with asyncio.timeout(CONNECTS):
                while peer.connectionState != "connected":
                    assert peer.connectionState != "failed", "no media path"
                    await asyncio.sleep(0.05)
            yield resource
        finally:
            if resource:
                async with session.delete(resource):
                    pass
            await peer.close()
