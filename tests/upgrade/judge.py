"""What a change may do to a call: pure data and pure judgement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from livekit_metal.call.report import MAY_MISS, MEDIA, Event, Report
from tests.upgrade import pictures
from tests.upgrade.report import WholeReport

FACTOR = 3  # times the control's largest gap
LIMIT = 100.0  # ms without sound; where the control call has larger gaps, the machine is to blame for as much
VIDEO_LIMIT = FACTOR * 1000 / pictures.PER_SECOND  # ms without a new picture, in the same way
_OVER = "largest gap"
_HOST = re.compile(r"^    (?P<host>[\w.-]+) +(?P<word>done|unchanged|failed|untouched)\b(?P<rest>.*)$", re.MULTILINE)
_TOOK = re.compile(r"(?:; | )([\d.]+) s$")
HEAD = (
    "change",
    "hosts",
    "media by",
    "call s",
    "sound: largest gap ms",
    "video: largest gap ms",
    "reliable messages lost",
    "lossy messages lost",
    "slowest message ms",
    "packets lost",
    "events",
    "activation s per host",
    "verdict",
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a row."""

    change: str
    hosts: str
    path: str = "any way"  # that media took
    call: WholeReport | None = None  # None: it did not come up, or the row was skipped
    control: WholeReport | None = None
    activation: Mapping[str, float] = field(default_factory=dict)  # host -> s that its turn took
    problems: tuple[str, ...] = ()
    skipped: str = ""  # why it was not tried
    outlier: bool = False  # over the limit, and neither of the two measurements after it was

    @property
    def failed(self) -> bool:
        return bool(self.problems) and not self.outlier

    @property
    def over(self) -> bool:
        """Whether a gap is all that is wrong."""
        return bool(self.problems) and all(problem.startswith(_OVER) for problem in self.problems)

    @property
    def void(self) -> bool:
        """Whether the machine could not even hold the control call: the row says nothing about the change."""
        return self.control is not None and any(self.control.problems())

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        verdict = "FAILED" if self.failed else "outlier" if self.outlier else "passed"
        if self.skipped:
            verdict = f"skipped: {self.skipped}"
        took = ", ".join(f"{host} {seconds:.1f}" for host, seconds in self.activation.items()) or "-"
        call, control = self.call, self.control
        if call is None or control is None:
            return (self.change, self.hosts, self.path, *["-"] * 8, took, verdict)
        return (
            self.change,
            self.hosts,
            self.path,
            f"{call.seconds:.0f}",
            f"{call.largest_gap_ms:.0f} / {control.largest_gap_ms:.0f} / {limit(control):.0f}",
            f"{call.picture_gap_ms:.0f} / {control.picture_gap_ms:.0f} / {video_limit(control):.0f}",
            f"{call.reliable.lost} / {control.reliable.lost}",
            f"{call.lossy.lost} / {control.lossy.lost}",
            f"{_slowest(call):.0f} / {_slowest(control):.0f}",
            f"{_packets(call)} / {_packets(control)}",
            told(call.events),
            took,
            verdict,
        )


def limit(control: Report) -> float:
    """ms that the call may be without sound."""
    return max(LIMIT, FACTOR * control.largest_gap_ms)


def video_limit(control: WholeReport) -> float:
    """ms that the call may be without a new picture."""
    return max(VIDEO_LIMIT, FACTOR * control.picture_gap_ms)


def _slowest(report: WholeReport) -> float:
    """ms that the slowest message of either kind was on its way."""
    return max(report.reliable.slowest_ms, report.lossy.slowest_ms)


def _packets(report: WholeReport) -> str:
    """Packets of sound and video that were lost."""
    unknown = min(report.sound_lost, report.video_lost) < 0
    return "unknown" if unknown else str(report.sound_lost + report.video_lost)


def problems(call: WholeReport, control: WholeReport, *, seconds: float) -> Iterator[str]:
    """Yield what breaks the promise."""
    for problem in control.problems():
        yield f"the control call is no measure: {problem}"
    if call.seconds < seconds:
        yield f"the call lasted {call.seconds:.1f} s, not {seconds:.0f}"
    yield from (str(problem) for problem in call.problems() if problem.path != MEDIA)
    yield from _missing("sound", call.missed_s, call.seconds, control.missed_s)
    yield from _missing("video", call.missing_s, call.video_s, control.missing_s)
    if call.largest_gap_ms > limit(control):
        yield (
            f"{_OVER} of the sound {call.largest_gap_ms:.0f} ms at {call.largest_gap_at_s:.1f} s: more than "
            f"{limit(control):.0f} ms (the control's is {control.largest_gap_ms:.0f} ms)"
        )
    if call.picture_gap_ms > video_limit(control):
        yield (
            f"{_OVER} of the video {call.picture_gap_ms:.0f} ms at {call.picture_gap_at_s:.1f} s: more than "
            f"{video_limit(control):.0f} ms (the control's is {control.picture_gap_ms:.0f} ms)"
        )
    if call.events:
        yield f"events: {told(call.events)}"


def _missing(what: str, missed: float, of: float, control: float) -> Iterator[str]:
    """Where more than the machine is to blame for did not arrive, in all; s."""
    if missed > (may := max(MAY_MISS, FACTOR * control)):
        yield (
            f"{missed:.1f} s of {of:.1f} s of {what} did not arrive: more than {may:.1f} s "
            f"(the control misses {max(0.0, control):.1f} s)"
        )


def told(events: Sequence[Event]) -> str:
    """Events for the table."""
    return "; ".join(map(str, events)) or "none"


def activations(text: str) -> dict[str, tuple[str, float]]:
    """Host -> its outcome and the seconds of its turn (0 when it had none), from the table a deploy ends with."""
    found = {}
    for line in _HOST.finditer(text):
        took = _TOOK.search(line["rest"])
        found[line["host"]] = line["word"], float(took[1]) if took else 0.0
    return found


def moments(outcome: Outcome) -> Iterator[str]:
    """When what the table tells of happened, in seconds after each call's start."""
    for name, report in ((f"call ({outcome.path})", outcome.call), ("control", outcome.control)):
        if report:
            yield f"    {name}: largest gap of the sound at {report.largest_gap_at_s:.2f} s"
            yield f"    {name}: largest gap of the video at {report.picture_gap_at_s:.2f} s"
            yield from (f"    {name}: {event}" for event in report.events)


def table(outcomes: Sequence[Outcome]) -> str:
    """For people: columns of text."""
    rows = [HEAD, *(outcome.cells() for outcome in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The same for docs/call-safety.md."""
    rows = [HEAD, ("---",) * len(HEAD), *(outcome.cells() for outcome in outcomes)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
