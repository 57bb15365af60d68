"""What a call with everything was like: pure data and pure judgement, as of livekit_metal/call/report.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from livekit_metal.call.report import Event, Report
from livekit_metal.core.errors import Problem
from tests.upgrade import pictures
from tests.upgrade.messages import Messages

RELIABLE, LOSSY = "reliable", "lossy"
_REMEDY = "compare with what happened to the server or the path at that time"


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeReport(Report):
    """The same as of a call's sound, and what came of the rest."""

    pictures: int
    video_s: float  # from the first picture to the end of the video
    picture_gap_ms: float
    picture_gap_at_s: float
    reliable: Messages
    lossy: Messages
    sound_lost: int  # packets, as the receiver's WebRTC counts them; -1: it did not say
    video_lost: int

    @property
    def missing_s(self) -> float:
        """Seconds of video that did not arrive."""
        return self.video_s - self.pictures / pictures.PER_SECOND

    def problems(self) -> Iterator[Problem]:
        yield from Report.problems(self)
        if self.reliable.lost or self.reliable.twice:
            yield Problem("call: reliable messages", str(self.reliable), _REMEDY)

    def table(self) -> str:
        rows = [
            ("pictures", f"{self.pictures}; {max(0.0, self.missing_s):.2f} of {self.video_s:.2f} s are missing"),
            ("largest gap", f"{self.picture_gap_ms:.0f} ms, at {self.picture_gap_at_s:.2f} s"),
            (RELIABLE, str(self.reliable)),
            (LOSSY, str(self.lossy)),
            ("packets lost", f"{self.sound_lost} of the sound, {self.video_lost} of the video"),
        ]
        return "\n".join([Report.table(self), *(f"{name:<12} {value}" for name, value in rows)])


def read(fields: dict[str, Any]) -> WholeReport:
    """A report of another process, as ``asdict`` has it. Raises TypeError when it is none."""
    events = tuple(Event(**event) for event in fields["events"])
    messages = {kind: Messages(**fields[kind]) for kind in (RELIABLE, LOSSY)}
    return WholeReport(**fields | messages | {"events": events})
