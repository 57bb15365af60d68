"""An agent that says what it hears. It needs no service but LiveKit."""

from __future__ import annotations

import asyncio

from livekit import rtc
from livekit.agents import AgentServer, AutoSubscribe, JobContext

RATE = 48000  # samples a second, as WebRTC has them
MOST = 20  # conversations that a worker takes

server = AgentServer(load_fnc=lambda worker: len(worker.active_jobs) / MOST)


@server.rtc_session(agent_name="echo")
async def echo(job: JobContext) -> None:
    """Until the last participant has left."""
    source = rtc.AudioSource(RATE, 1, queue_size_ms=200)
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    listening: set[asyncio.Task[None]] = set()

    async def repeat(heard: rtc.RemoteTrack) -> None:
        stream = rtc.AudioStream(heard, sample_rate=RATE, num_channels=1)
        async for event in stream:
            await source.capture_frame(event.frame)

    def subscribed(heard: rtc.RemoteTrack, *_: object) -> None:
        if heard.kind == rtc.TrackKind.KIND_AUDIO:
            task = asyncio.create_task(repeat(heard))
            listening.add(task)
            task.add_done_callback(listening.discard)

    def left(_: rtc.RemoteParticipant) -> None:
        if not job.room.remote_participants:
            job.shutdown("nobody is here any more")

    job.room.on("track_subscribed", subscribed)
    job.room.on("participant_disconnected", left)
    await job.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await job.room.local_participant.publish_track(track, options)
