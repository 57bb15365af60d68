"""The tone of a call, and what must never pass for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from livekit_metal.call.tone import FRAME, RATE, STEP, Samples, Sound, ToneDetector, silence, tone

SECOND = RATE // FRAME  # frames


def listen(sound: Samples) -> ToneDetector:
    """An ear that heard ``sound`` in frames of 10 ms, which arrived on time."""
    ear = ToneDetector()
    for number, first in enumerate(range(0, len(sound) - FRAME + 1, FRAME)):
        ear.hear(sound[first : first + FRAME], number / SECOND)
    return ear


@pytest.mark.parametrize("offset", range(0, STEP, 60))
def test_every_step_is_heard_wherever_frames_begin(offset: int) -> None:
    ear = listen(tone(offset, 4 * RATE))
    assert ear.frames == 4 * SECOND
    assert len(ear.steps) == pytest.approx(4 * RATE / STEP, abs=2)
    assert ear.gap(4.0).ms <= 40.1
    assert ear.late_ms < 0.1
    assert ear.share > 0.95


def test_a_piece_of_the_tone_continues_the_last() -> None:
    pieces = [tone(first, 700) for first in range(0, 70_000, 700)]
    assert np.array_equal(np.concatenate(pieces), tone(0, 70_000))


def steady(first: int, count: int) -> Samples:
    return np.asarray(9000 * np.sin(2 * np.pi * 440 * np.arange(first, first + count) / RATE), dtype=np.int16)


def noise(first: int, count: int) -> Samples:
    return np.asarray(np.random.default_rng(first).normal(scale=6000, size=count), dtype=np.int16)


def melody(first: int, count: int) -> Samples:
    """The tone with other notes."""
    notes = np.array([300, 550, 1000, 1600])[np.arange(first, first + count) // STEP % 4]
    return np.asarray(9000 * np.sin(2 * np.pi * np.cumsum(notes) / RATE), dtype=np.int16)


def drowned(first: int, count: int) -> Samples:
    """The tone under noise of three times its energy."""
    return np.asarray(tone(first, count) / 2 + noise(first, count), dtype=np.int16)


def whisper(first: int, count: int) -> Samples:
    return tone(first, count) // 10


@pytest.mark.parametrize("sound", [silence, steady, noise, melody, drowned, whisper])
def test_another_sound_is_not_the_tone(sound: Sound) -> None:
    assert listen(sound(0, 2 * RATE)).steps == []


@pytest.mark.parametrize(("sound", "loud"), [(silence, False), (whisper, False), (noise, True), (steady, True)])
def test_silence_and_a_wrong_sound_are_told_apart(sound: Sound, loud: bool) -> None:
    assert listen(sound(0, RATE)).loud is loud


def test_noise_has_little_of_the_tone() -> None:
    assert listen(noise(0, RATE)).share < 0.1
    assert listen(silence(0, RATE)).share == 0.0


def concealed(fade: float) -> Samples:
    """A second of tone, 0.4 s of what NetEQ makes of its last 5 ms (fading per 10 ms), the rest late."""
    before, period = tone(0, RATE), tone(0, RATE)[-240:]
    invented = np.tile(period, 80) * np.repeat(fade ** np.arange(40), FRAME)
    return np.concatenate([before, np.asarray(invented, dtype=np.int16), tone(RATE, RATE)])


@pytest.mark.parametrize("fade", [1.0, 0.9, 0.6])
def test_what_a_receiver_invents_does_not_count(fade: float) -> None:
    """Even at full volume: the loudness of invented sound depends on the release of WebRTC."""
    ear = listen(concealed(fade))
    gap = ear.gap(2.4)
    assert gap.ms == pytest.approx(420, abs=20)
    assert gap.at == pytest.approx(1.0, abs=0.03)
    assert ear.late_ms < 0.1


def taken(sound: Samples, when: Callable[[float], float], stream: str = "") -> ToneDetector:
    """An ear that took each frame of ``sound`` not when it was made, but ``when``."""
    ear = ToneDetector()
    for number, first in enumerate(range(0, len(sound) - FRAME + 1, FRAME)):
        ear.hear(sound[first : first + FRAME], when(number / SECOND), stream)
    return ear


def test_frames_that_the_client_took_late_are_no_gap() -> None:
    """As measured when the program was held for 250 ms: thirty frames within the 50 ms after it."""
    ear = taken(tone(0, 3 * RATE), lambda made: max(made, 1.3) if made > 1.0 else made)
    assert ear.gap(3.0).ms < 60
    assert ear.late_ms == pytest.approx(270, abs=35)


def test_frames_that_stay_away_and_are_not_made_up_for_are_one() -> None:
    ear = taken(tone(0, 3 * RATE), lambda made: made + 0.3 if made > 1.0 else made)
    assert ear.gap(3.3).ms == pytest.approx(320, abs=20)
    assert ear.late_ms < 1


def test_a_clock_that_runs_fast_does_not_add_up() -> None:
    ear = taken(tone(0, 30 * RATE), lambda made: made * 0.99)
    assert (ear.gap(29.7).ms, ear.late_ms) == (pytest.approx(20, abs=25), pytest.approx(0, abs=0.1))


def test_two_tracks_at_once_excuse_nothing_before_them() -> None:
    """Their frames come twice as often, which is no making up."""
    ear = taken(tone(0, RATE), lambda made: made, "first")
    for number in range(SECOND):
        for stream in ("second", "third"):
            first = (number + (stream == "third")) * FRAME
            ear.hear(tone(first, FRAME), 1.5 + number / SECOND, stream)
    assert ear.gap(2.5).ms == pytest.approx(510, abs=30)
    assert ear.late_ms < 0.1
