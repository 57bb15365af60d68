// Load joins rooms as many people would, sends made-up media at a given rate, reads what comes and drops it.
//
// It prints one line of JSON when all have joined, with the packets that everybody together should receive in a second,
// and one for each second: what was received in it. Nothing is decoded: what it costs itself does not count, the
// server's own accounting does.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"time"

	protocol "github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

var (
	received, octets atomic.Int64
	joining          = flag.Duration("join", 20*time.Millisecond, "time between two who join")
	url              = flag.String("url", "ws://127.0.0.1:7880", "where the server is")
	key              = flag.String("key", "", "API key")
	secret           = flag.String("secret", "", "API secret")
	rooms            = flag.Int("rooms", 1, "rooms")
	people           = flag.Int("people", 2, "people in each")
	senders          = flag.Int("senders", 0, "how many of them send")
	video            = flag.Int("video", 0, "kbit/s of video that each sends besides sound")
	seconds          = flag.Int("seconds", 20, "how long everybody stays when all have joined")
)

const (
	talk, ticks, syllable = 50, 960, 80            // frames of sound a second, its clock for each, bytes of one
	frames, turns         = 25, 90000 / 25         // of video
	most                  = 1150                   // bytes in a packet
	behind                = 100 * time.Millisecond // what it makes up for when it was kept from sending
)

// A frame's first packet begins a key frame, so that whoever joins is sent the next one. RFC 7741, RFC 6386.
var keyFrame = []byte{0x10, 0x50, 0x00, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02}

func main() {
	flag.Parse()
	for room := range *rooms {
		for person := range *people {
			if err := join(fmt.Sprintf("load-%d", room), fmt.Sprintf("p%d", person), person < *senders); err != nil {
				log.Fatalf("room %d: %v", room, err)
			}
			time.Sleep(*joining)
		}
	}
	out := json.NewEncoder(os.Stdout)
	each := talk + frames*((picture()+most-1)/most)
	_ = out.Encode(map[string]any{"joined": *rooms * *people, "rate": *rooms * *senders * (*people - 1) * each})
	tick := time.NewTicker(time.Second)
	for range *seconds {
		<-tick.C
		_ = out.Encode(map[string]any{"packets": received.Swap(0), "bytes": octets.Swap(0)})
	}
}

// picture is how large a frame of video is, in bytes.
func picture() int { return *video * 1000 / 8 / frames }

func join(name, identity string, sends bool) error {
	about := lksdk.ConnectInfo{APIKey: *key, APISecret: *secret, RoomName: name, ParticipantIdentity: identity}
	heard := &lksdk.RoomCallback{ParticipantCallback: lksdk.ParticipantCallback{
		OnTrackSubscribed: func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
			go drop(track)
		},
	}}
	room, err := lksdk.ConnectToRoom(*url, about, heard, lksdk.WithConnectTimeout(time.Minute)) // of a busy machine
	if err != nil || !sends {
		return err
	}
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	if err := send(room, opus, protocol.TrackSource_MICROPHONE, talk, ticks, syllable); err != nil || *video == 0 {
		return err
	}
	vp8 := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}
	return send(room, vp8, protocol.TrackSource_CAMERA, frames, turns, picture())
}

// send publishes a track and writes a frame of size bytes often times a second.
func send(room *lksdk.Room, codec webrtc.RTPCodecCapability, source protocol.TrackSource, often int, clock uint32, size int) error {
	track, err := webrtc.NewTrackLocalStaticRTP(codec, source.String(), room.LocalParticipant.Identity())
	if err != nil {
		return err
	}
	options := &lksdk.TrackPublicationOptions{Name: source.String(), Source: source, VideoWidth: 1280, VideoHeight: 720}
	if _, err := room.LocalParticipant.PublishTrack(track, options); err != nil {
		return err
	}
	go func() {
		packet := &rtp.Packet{Header: rtp.Header{Version: 2}}
		every, began, sent := time.Second/time.Duration(often), time.Now(), 0
		for range time.Tick(every) {
			due := int(time.Since(began) / every)
			for sent = max(sent, due-int(behind/every)); sent < due; sent++ {
				frame(track, packet, size)
				packet.Timestamp += clock
			}
		}
	}()
	return nil
}

// frame writes one frame, in as many packets as it takes.
func frame(track *webrtc.TrackLocalStaticRTP, packet *rtp.Packet, size int) {
	video := track.Codec().MimeType == webrtc.MimeTypeVP8
	for left, first := size, true; left > 0; left, first = left-most, false {
		packet.Payload = make([]byte, min(left, most))
		if video && first {
			copy(packet.Payload, keyFrame)
		}
		packet.Marker = left <= most && video
		_ = track.WriteRTP(packet)
		packet.SequenceNumber++
	}
}

func drop(track *webrtc.TrackRemote) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		received.Add(1)
		octets.Add(int64(packet.MarshalSize()))
	}
}
