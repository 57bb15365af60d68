"""What a load needs: the arithmetic against upstream's own benchmark, and what an inventory may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import Problems
from livekit_metal.core.fields import build
from livekit_metal.core.sizing import BASE_MB, BUSY, IN_US, OUT_US, RECORDING_CORES, THERE_US, Load, need, room


@pytest.mark.parametrize(
    ("load", "cores", "out_mbyte"),
    [  # docs.livekit.io: 16 cores, and how much of them was in use
        (Load(rooms=1, participants=3010, publishers=10, profile="audio"), 16 * 0.80, None),
        (Load(rooms=1, participants=150), 16 * 0.85, 93),
        (Load(rooms=1, participants=3001, publishers=1), 16 * 0.92, 531),
    ],
)
def test_what_upstream_measured_is_never_called_less(load: Load, cores: float, out_mbyte: float | None) -> None:
    busy, _, out = room(load)
    assert 0.95 * cores <= busy <= 3 * cores
    if out_mbyte:
        assert 0.95 <= out / 8 / out_mbyte <= 2.5  # of the people there most were silent


def test_a_room_for_two_is_next_to_nothing() -> None:
    made = need(Load(rooms=1, participants=2), hosts=1)
    assert (made.cores, made.mbit) == (1, 4)
    assert BASE_MB < made.memory_mb < BASE_MB + 1000


def test_hosts_share_and_no_room_is_split() -> None:
    one, three = (need(Load(rooms=40, participants=25), hosts) for hosts in (1, 3))
    assert one.cores > three.cores >= one.cores / 3
    single = need(Load(rooms=1, participants=150), hosts=3)
    assert single == need(Load(rooms=1, participants=150), hosts=1)


def test_nobody_hears_himself() -> None:
    everybody = room(Load(rooms=1, participants=2, profile="audio"))
    lecture = room(Load(rooms=1, participants=2, publishers=1, profile="audio"))
    assert everybody[1] == everybody[2] == 2 * lecture[1]


def test_recordings_and_phone_calls_count() -> None:
    calm = need(Load(rooms=1, participants=2), hosts=1)
    busy = need(Load(rooms=1, participants=2, recordings=2, phone_calls=60), hosts=1)
    assert busy.cores >= calm.cores + 2 * RECORDING_CORES + 60 * 0.1 / BUSY - 1
    assert busy.why == "1 room of 2, 2 recordings, 60 phone calls"


def test_no_load_is_named_by_default() -> None:
    assert not Load().named


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"rooms": -1, "participants": 2}, "site.load.rooms: is -1; give 0 or more"),
        ({"rooms": 1}, "site.load: has rooms without participants, or the reverse; set both, or neither"),
        (
            {"rooms": 1, "participants": 2, "publishers": 3},
            "site.load.publishers: are 3 of 2 participants; give no more than there are in a room",
        ),
        ({"profile": "3d"}, "site.load.profile: is '3d'; choose one of audio, video"),
    ],
)
def test_what_makes_no_sense_is_refused(data: dict[str, Any], said: str) -> None:
    problems = Problems()
    build(Load, data, "site.load", problems)
    assert said in [str(p) for p in problems]


@pytest.mark.parametrize(
    ("rooms", "people", "senders", "video", "cores"),
    [  # docs/capacity.md, "What one core carries": rooms, kbit/s of video from each, cores kept busy
        (40, 2, 2, 0, 0.62),
        (6, 5, 5, 0, 0.44),
        (3, 4, 4, 1500, 0.38),
        (1, 61, 1, 1500, 0.47),
    ],
)
def test_what_was_measured_here_is_never_called_much_less(
    rooms: int, people: int, senders: int, video: int, cores: float
) -> None:
    """The generator's streams are not those that are planned with: its packets, with what each costs in sizing."""
    each = 170 if video else 50
    packets_in, out = rooms * senders * each, rooms * senders * (people - 1) * each
    counted = (packets_in * IN_US + out * OUT_US + rooms * people * THERE_US) / 1e6
    assert 0.95 * cores <= counted <= 1.5 * cores


EXAMPLES = {
    ("20 rooms of 4, video", "1"): Load(rooms=20, participants=4),
    ("10 rooms of 12, video", "1"): Load(rooms=10, participants=12),
    ("50 rooms of 10, sound only", "1"): Load(rooms=50, participants=10, profile="audio"),
    ("a room of 500, five of whom send", "1 (a room is never split)"): Load(rooms=1, participants=500, publishers=5),
    ("100 rooms of 6, video, 3 recordings, 30 phone calls", "3"): Load(
        rooms=100, participants=6, recordings=3, phone_calls=30
    ),
}


def test_the_page_says_what_is_counted() -> None:
    page = Path(__file__).parents[3].joinpath("docs/operations/sizing.md").read_text().splitlines()
    for (load, hosts), given in EXAMPLES.items():
        made = need(given, hosts=int(hosts[0]), redis_mb=512)
        row = f"| {load} | {hosts} | {made.cores} cores, {made.memory_mb / 1000:.1f} GB, {made.mbit} Mbit/s |"
        assert row in page


def test_every_number_has_a_source() -> None:
    """A constant without a word beside or above it is one that nobody can check."""
    text = Path(__file__).parents[3].joinpath("livekit_metal/core/sizing.py").read_text()
    for line in text.splitlines():
        name = line.partition(" = ")[0]
        if name.replace("_", "").replace(", ", "").isupper() and ", " not in name:
            assert "  # " in line, line
