"""The sound of a call, and the ear that knows it again.

A steady tone proves nothing: WebRTC's receiver (NetEQ) hands out a frame every 10 ms whatever arrives, and
continues the last sound when packets stay away, at first at full volume. With livekit-server stopped for
400 ms the largest gap between *frames* was 11 ms. So this tone steps through four frequencies, from 440 Hz
up, one per 20 ms (the length of an Opus packet): invented sound repeats the last step, and only what was
really sent makes the next one.

That a frame is handed out every 10 ms also tells the receiver's own lateness from the server's and the network's
(:func:`ready`, decision 057).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livekit_metal.call.report import Gap, largest_gap

RATE = 48_000  # samples per second, mono, 16 bit
STEPS = (440, 660, 880, 1100)  # Hz: far enough apart to tell one from the other within one frame
STEP = RATE // 50  # samples of one step: 20 ms
FRAME = RATE // 100  # samples of one received frame: 10 ms, so each step holds a whole one
LOUDNESS = 0.3 / 2**0.5  # RMS, as a share of full scale

Samples = NDArray[np.int16]
Sound = Callable[[int, int], Samples]  # (first sample, how many) -> that piece of an endless sound


def _cycle() -> Samples:
    phase = np.cumsum(2 * np.pi * np.repeat(STEPS, STEP) / RATE)  # goes on across steps: a jump would click
    return np.asarray(np.sin(phase) * LOUDNESS * 2**0.5 * 32767, dtype=np.int16)


_CYCLE = _cycle()


def tone(first: int, count: int) -> Samples:
    """The stepping tone."""
    return _CYCLE[np.arange(first, first + count) % len(_CYCLE)]


def silence(first: int, count: int) -> Samples:
    """What must never count as media."""
    return np.zeros(count, dtype=np.int16)


_TIME = np.arange(FRAME) / RATE
_WAVES: NDArray[Any] = np.exp(-2j * np.pi * np.outer(STEPS, _TIME))
_BAND = slice(STEPS[0] // 100 - 1, STEPS[-1] // 100 + 3)  # bins of 100 Hz around the steps: 300 to 1300 Hz
_CLEAR = 0.7  # share of a frame's energy that makes it part of a step; measured for whole frames: 0.8 to 1
_QUIET = LOUDNESS / 4  # below this NetEQ is fading out; Opus moves the level by a few per cent


_EVERY = 0.9 * FRAME / RATE  # s; less than frames are apart: a receiver's clock that runs fast must not add up


def ready(taken: Sequence[float]) -> NDArray[np.float64]:
    """When each frame was ready at the latest; ``taken`` is when the program took each (s, rising).

    WebRTC makes one frame every 10 ms. Those that are taken all at once were made one after the other before, so the
    program was late to take them, and nothing was missing. Where frames stay away and do not come later, they were
    not made.
    """
    since = np.arange(len(taken)) * _EVERY
    latest = np.minimum.accumulate((np.asarray(taken, dtype=np.float64) - since)[::-1])[::-1]
    return np.asarray(latest + since, dtype=np.float64)


@dataclass(slots=True)
class ToneDetector:
    """Listens frame by frame; ``steps`` are the times (s) at which the frames that begin a step were taken."""

    steps: list[float] = field(default_factory=list)
    _taken: dict[Hashable, list[float]] = field(default_factory=lambda: defaultdict(list))  # of each stream
    _begin: list[tuple[Hashable, int]] = field(default_factory=list)  # the frames that begin a step
    _last: int | None = None
    _energy: float = 0.0
    _known: float = 0.0

    def hear(self, frame: Samples, at: float, stream: Hashable = None) -> bool:
        """Take in a frame, ``at`` (s, any clock); true when it begins another step.

        ``stream`` tells frames of one track from those of the next: each has a clock of its own.
        """
        self._taken[stream].append(at)
        samples = frame.astype(np.float64) / 32768
        energy = float(samples @ samples)
        if energy < _QUIET**2 * FRAME:
            return False
        spectrum = np.abs(np.fft.rfft(samples)) ** 2
        self._energy += float(spectrum.sum())
        self._known += float(spectrum[_BAND].sum())
        shares = np.abs(_WAVES @ samples) ** 2 * 2 / FRAME / energy
        step = int(shares.argmax())
        if shares[step] < _CLEAR or step == self._last:
            return False
        first, self._last = self._last is None, step
        if first:  # one frequency is any tone; the change makes it ours
            return False
        self._begin.append((stream, len(self._taken[stream]) - 1))
        self.steps.append(at)
        return True

    @property
    def frames(self) -> int:
        """How many came, whatever they held."""
        return sum(map(len, self._taken.values()))

    def gap(self, until: float, since: float = 0.0) -> Gap:
        """The longest time without a new step, to ``until`` (s), of the steps after ``since``.

        Raises ValueError when there was no step.
        """
        begin = list(self._begin)  # first: another thread may listen on
        made = {stream: ready(taken) for stream, taken in self._each()}
        at = sorted(float(made[stream][number]) for stream, number in begin)
        return largest_gap([when for when in at if when > since] or at, until)

    @property
    def late_ms(self) -> float:
        """The longest that a frame waited for the program to take it, ms."""
        return max((float(np.max(taken - ready(taken))) * 1000 for _, taken in self._each()), default=0.0)

    def _each(self) -> list[tuple[Hashable, list[float]]]:
        return [(stream, list(taken)) for stream, taken in list(self._taken.items())]

    @property
    def loud(self) -> bool:
        """Was there any sound at all?"""
        return self._energy > 0

    @property
    def share(self) -> float:
        """Share of the sound's energy that lies in the tone's band, 0 to 1; 0 for silence."""
        return self._known / self._energy if self._energy else 0.0
