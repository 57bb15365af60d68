"""Small pictures with a number in each: a receiver that shows the last one again, or an older one, has no new picture.

The number stands in twelve black or white fields, which survive any bit rate and any size that a sender scales to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 90
PER_SECOND = 15
_ROWS, _COLUMNS = 3, 4
_BITS = _ROWS * _COLUMNS
NUMBERS = 1 << _BITS  # then they begin again: after four minutes and a half
_BLACK, _WHITE = 16, 235  # ITU-R BT.601
_SURE = 40  # so far a field must be from grey

Luma = NDArray[np.uint8]


def drawn(number: int) -> bytes:
    """The picture with ``number``, as I420."""
    fields = np.array([number >> bit & 1 for bit in range(_BITS)], dtype=np.uint8).reshape(_ROWS, _COLUMNS)
    luma = np.kron(fields * (_WHITE - _BLACK) + _BLACK, np.ones((HEIGHT // _ROWS, WIDTH // _COLUMNS), dtype=np.uint8))
    return luma.astype(np.uint8).tobytes() + bytes([128]) * (WIDTH // 2 * HEIGHT // 2 * 2)


def read(luma: Luma) -> int | None:
    """The number in a picture (its luma, rows by columns); None when it is none of ours."""
    height, width = luma.shape[0] // _ROWS, luma.shape[1] // _COLUMNS
    number = 0
    for bit in range(_BITS):
        top, left = bit // _COLUMNS * height, bit % _COLUMNS * width
        middle = luma[top + height // 4 : top + height * 3 // 4, left + width // 4 : left + width * 3 // 4]
        level = float(middle.mean()) - (_BLACK + _WHITE) / 2
        if abs(level) < _SURE:
            return None
        number |= (level > 0) << bit
    return number


@dataclass(slots=True)
class Eye:
    """Looks at picture after picture; ``new`` are the arrival times (s) of those that came after all before them."""

    new: list[float] = field(default_factory=list)
    _last: int | None = None

    def see(self, luma: Luma, at: float) -> bool:
        """Take in the picture that arrived ``at`` (s, any clock); true when it is a new one."""
        number = read(luma)
        if number is None:
            return False
        if self._last is not None and not 0 < (number - self._last) % NUMBERS < NUMBERS // 2:
            return False
        self._last = number
        self.new.append(at)
        return True
