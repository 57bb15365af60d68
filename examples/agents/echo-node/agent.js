// An agent that says what it hears. It needs no service but LiveKit.

import { AutoSubscribe, defineAgent } from "@livekit/agents";
import {
  AudioSource,
  AudioStream,
  LocalAudioTrack,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
} from "@livekit/rtc-node";

const RATE = 48000; // samples a second, as WebRTC has them
const MOST = 20; // conversations that a worker takes

// What `cli.runApp` gets elsewhere: here the launcher of livekit-metal starts the worker.
export const options = { loadFunc: async (worker) => worker.activeJobs.length / MOST };

export default defineAgent({
  // Until the last participant has left.
  entry: async (job) => {
    const source = new AudioSource(RATE, 1, 200);
    const track = LocalAudioTrack.createAudioTrack("echo", source);

    const repeat = async (heard) => {
      for await (const frame of new AudioStream(heard, { sampleRate: RATE, numChannels: 1 })) await source.captureFrame(frame);
    };
    job.room.on(RoomEvent.TrackSubscribed, (heard) => {
      if (heard.kind === TrackKind.KIND_AUDIO) repeat(heard);
    });
    job.room.on(RoomEvent.ParticipantDisconnected, () => {
      if (job.room.remoteParticipants.size === 0) job.shutdown("nobody is here any more");
    });
    await job.connect(undefined, AutoSubscribe.AUDIO_ONLY);
    const published = new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE });
    await job.room.localParticipant.publishTrack(track, published);
  },
});
