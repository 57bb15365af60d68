"""Lengths of time."""

from __future__ import annotations

import pytest

from livekit_metal.core.types.duration import Duration


@pytest.mark.parametrize(
    ("written", "seconds", "said"),
    [
        (0, 0, "0s"),
        (300, 300, "5m"),
        ("5", 5, "5s"),
        ("90s", 90, "90s"),
        ("45m", 2700, "45m"),
        ("5h", 18000, "5h"),
        ("1d", 86400, "1d"),
    ],
)
def test_what_an_inventory_may_write(written: object, seconds: int, said: str) -> None:
    found = Duration.parse(written)
    assert found == seconds
    assert str(found) == f"{found}" == said


@pytest.mark.parametrize("written", ["", "5 h", "h", "-5s", "1.5h", "5w", True, None, 1.5])
def test_anything_else_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="; write seconds"):
        Duration.parse(written)
