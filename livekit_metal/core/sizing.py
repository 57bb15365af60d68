"""What a site needs for what it is to carry: cores, memory, bandwidth. Pure arithmetic; every number with its source.

Sources: [B] upstream's benchmark of livekit-server on 16 cores (docs.livekit.io, self-hosting, benchmark): 10 audio
publishers and 3000 listeners; a meeting of 150 with 720p video; one 720p publisher and 3000 viewers. [O] an operator's
run of 1.13.6 on 4 virtual cores, 500 viewers of 720p (2026-09). [M] measured here (docs/capacity.md), on one virtual
core. [E] LiveKit's recorder: pkg/config (cpu_cost), README. [D] derived here, not measured. It errs on the large side
and is no substitute for a load test.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option

BUSY = 0.6  # of a core that may be in use: the target of upstream's helm chart; [B] ends at 80 to 92 %
# Microseconds of a core for a packet that comes in (80 to 130), for one that goes out (28 to 33), and for each second
# of a participant's being there (300 to 2200) [M]. Added up they are at most 3 % below what rooms of 2 to 61 people
# took. For the largest rooms it is two to three times [B], which has 13 to 26 for a packet out, on faster cores.
IN_US, OUT_US, THERE_US = 120, 30, 2200
SEEN = 3  # full videos that a participant's screen amounts to, however many publish: [B] meeting, 4 Mbit/s each of 150
GENERATIONS = 2  # of livekit-server that run while an old slot drains
# Of livekit-server: itself, and each participant [M]: 85 to 125 with few people, 1.2 to 1.5 for each, silent or not;
# doubled, for nobody lost a packet there, and what is lost is kept to be sent again.
SERVER_MB, PERSON_MB = 150, 3
SOCKET_MB = 34  # a media socket's buffers at their largest, one for each core (kernel.*)
BASE_MB = 900  # preflight.min_memory_mb: Debian, HAProxy, Prometheus
RECORDING_CORES, RECORDING_MB = 4.0, 1000  # a room with Chrome [E]; 4 GB for its 4 cores, [D] shared by the first ones
CALL_CORES, CALL_MB = 0.1, 20  # [D] a phone call: two streams of 50 packets, decoded and encoded again


@dataclass(frozen=True, slots=True)
class Stream:
    """What one track costs on the network: packets/s, and kbit/s with headers."""

    packets: float
    kbit: float


AUDIO = Stream(32, 45)  # [B] 305 packets/s of 10 publishers; Opus at 32 kbit/s, and headers of 58 bytes [D]
VIDEO_UP = Stream(246, 1870)  # [B] one publisher of 720p, three layers: 246 packets and 233 kB/s
VIDEO_DOWN = Stream(187, 1420)  # [B] 560,962 packets and 531 MB/s to 3000 viewers


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Checked):
    """What is expected at the busiest hour. All zero: nothing is judged."""

    rooms: int = option(0, "rooms at the same time")
    participants: int = option(0, "people in each of them")
    publishers: int = option(0, "of these, who sends; 0 = everybody")
    profile: Literal["audio", "video"] = option("video", "what they send: sound, or sound and 720p video")
    recordings: int = option(0, "room recordings at the same time")
    phone_calls: int = option(0, "phone calls at the same time")

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("rooms", "participants", "publishers", "recordings", "phone_calls"):
            if getattr(self, name) < 0:
                yield Problem(f"{path}.{name}", f"is {getattr(self, name)}", "give 0 or more")
        if self.publishers > self.participants:
            fact = f"are {self.publishers} of {self.participants} participants"
            yield Problem(f"{path}.publishers", fact, "give no more than there are in a room")
        if bool(self.rooms) != bool(self.participants):
            yield Problem(path, "has rooms without participants, or the reverse", "set both, or neither")

    @property
    def named(self) -> bool:
        return bool(self.rooms or self.recordings or self.phone_calls)


@dataclass(frozen=True, slots=True)
class Need:
    """What a host must have; cores are whole ones with room to spare, ``mbit`` is the larger direction."""

    cores: int = 0
    memory_mb: int = 0
    mbit: int = 0
    why: str = ""


def room(load: Load) -> tuple[float, float, float]:
    """One room: cores kept busy, and Mbit/s in and out."""
    senders = load.publishers or load.participants
    heard = sum(senders - (1 if i < senders else 0) for i in range(load.participants))  # nobody hears himself
    inside, outside = senders * AUDIO.packets, heard * AUDIO.packets
    kbit_in, kbit_out = senders * AUDIO.kbit, heard * AUDIO.kbit
    if load.profile == "video":
        seen = sum(min(SEEN, senders - (1 if i < senders else 0)) for i in range(load.participants))
        inside += senders * VIDEO_UP.packets
        outside += seen * VIDEO_DOWN.packets
        kbit_in += senders * VIDEO_UP.kbit
        kbit_out += seen * VIDEO_DOWN.kbit
    cores = (inside * IN_US + outside * OUT_US + load.participants * THERE_US) / 1e6
    return cores, kbit_in / 1000, kbit_out / 1000


def need(load: Load, hosts: int, *, redis_mb: int = 0) -> Need:
    """What each of ``hosts`` needs that share the load evenly; a room is never split, so no host gets by with less than
    the largest needs.
    """
    cores, down, up = room(load)
    rooms = math.ceil(load.rooms / hosts)
    recordings, calls = math.ceil(load.recordings / hosts), math.ceil(load.phone_calls / hosts)
    media = rooms * cores
    busy = media / BUSY + recordings * RECORDING_CORES + calls * CALL_CORES / BUSY
    whole = max(1, math.ceil(busy))
    people = rooms * load.participants
    server = (GENERATIONS * (SERVER_MB + people * PERSON_MB) if people else 0) + whole * SOCKET_MB
    memory = BASE_MB + redis_mb + server + recordings * RECORDING_MB + calls * CALL_MB
    parts = (
        (rooms, "room{}", f" of {load.participants}"),
        (recordings, "recording{}", ""),
        (calls, "phone call{}", ""),
    )
    why = ", ".join(f"{n} {what.format('' if n == 1 else 's')}{rest}" for n, what, rest in parts if n)
    return Need(whole, memory, math.ceil(rooms * max(down, up)), why)
