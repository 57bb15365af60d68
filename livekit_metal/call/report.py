"""What a call was like: pure data and pure judgement."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from livekit_metal.call.quality.figures import Figures
from livekit_metal.core.errors import Problem

TONE_SHARE = 0.8  # of the received energy; a good call has 0.97 and more
MAY_MISS = 1.0  # s of sound that a call may lose and still be one
MEDIA = "call: media"  # the problem that says so


class Gap(NamedTuple):
    """``ms`` without new sound, from ``at`` (on the clock of the arrivals, s) on."""

    ms: float
    at: float


def largest_gap(arrivals: Sequence[float], until: float) -> Gap:
    """The longest time between two neighbours of ``arrivals`` (s, rising), or from the last one to ``until``.

    The end counts, so sound that stops for good is a gap too. A call that goes well has 20 to 40 ms, as sound
    comes in steps of 20 ms. Raises ValueError when nothing arrived.
    """
    if not arrivals:
        raise ValueError("no arrivals: there is no gap without media")
    ends = [*arrivals[1:], max(until, arrivals[-1])]
    return max(Gap((end - start) * 1000, start) for start, end in zip(arrivals, ends, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something a client was told, ``at`` seconds after the call's start."""

    at: float
    who: str  # publisher, subscriber or witness
    what: str  # reconnecting, reconnected, disconnected, track unsubscribed ...
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.at:.2f} s {self.who}: {self.what}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One call. Times are seconds after its start, unless the name says ms; ``started`` is Unix time."""

    room: str
    node: str  # id of the server that held the room when the call came up; empty if unknown
    version: str  # of that server
    publish_url: str
    subscribe_url: str
    started: float
    seconds: float  # from the first sound to the end
    first_frame_s: float  # first frame of the tone; comfort silence before it does not count
    frames: int  # of 10 ms, whatever they held
    received_s: float  # of the tone, without what the receiver invented
    largest_gap_ms: float
    largest_gap_at_s: float
    tone_share: float
    late_ms: float  # the longest that a frame waited for the client's program; no part of a gap
    events: tuple[Event, ...]
    quality: Figures | None = None  # None: it was not measured

    @property
    def missed_s(self) -> float:
        """Seconds of sound that did not arrive."""
        return self.seconds - self.received_s

    def problems(self) -> Iterator[Problem]:
        """Yield what keeps this from being a proof; nothing when the call was good."""
        if self.missed_s > MAY_MISS:
            yield Problem(
                MEDIA,
                f"{self.received_s:.1f} s of {self.seconds:.1f} s of sound arrived, largest gap "
                f"{self.largest_gap_ms:.0f} ms at {self.largest_gap_at_s:.1f} s",
                "compare with what happened to the server or the path at that time",
            )
        if self.tone_share < TONE_SHARE:
            yield Problem(
                "call: tone",
                f"{self.tone_share:.0%} of the sound is the tone that was published",
                "see who else publishes in the room, and whether packets are lost",
            )
        for event in self.events:
            if event.what == "disconnected":
                yield Problem("call: events", str(event), "read the server's journal at that time")

    @property
    def ok(self) -> bool:
        return not any(self.problems())

    def to_json(self) -> str:
        """All fields, ``ok`` and ``problems`` as one JSON object."""
        found = [str(problem) for problem in self.problems()]
        return json.dumps({"ok": not found, "problems": found} | asdict(self))

    def table(self) -> str:
        """For people: one line per figure, ASCII."""
        rows = [
            ("room", f"{self.room} on {self.node or 'an unknown node'} {self.version}".rstrip()),
            ("first frame", f"{self.first_frame_s:.2f} s"),
            ("frames", f"{self.frames}"),
            ("received", f"{self.received_s:.2f} of {self.seconds:.2f} s"),
            ("largest gap", f"{self.largest_gap_ms:.0f} ms, at {self.largest_gap_at_s:.2f} s"),
            ("client late", f"{self.late_ms:.0f} ms"),
            ("tone", f"{self.tone_share:.0%} of the sound"),
            ("events", "none" if not self.events else str(self.events[0])),
            *(("", str(event)) for event in self.events[1:]),
        ]
        return "\n".join(f"{name:<12} {value}" for name, value in rows)
