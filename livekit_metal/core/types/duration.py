"""Lengths of time as inventories say them."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(int):
    """Whole seconds; an inventory writes them as ``300``, ``"90s"``, ``"45m"``, ``"5h"`` or ``"1d"``."""

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Raises ValueError ``fact; remedy`` for anything that is no length of time."""
        text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
        if not (found := re.fullmatch(r"(\d+)([smhd]?)", text)):
            raise ValueError(f"is {value!r}; write seconds (300) or a length of time ('90s', '45m', '5h')")
        return cls(int(found[1]) * _UNITS[found[2] or "s"])

    def __format__(self, _: str) -> str:
        return str(self)

    def __str__(self) -> str:
        """In the largest unit that leaves nothing over: "5h", "90s"."""
        unit = max((u for u in _UNITS if self % _UNITS[u] == 0), key=_UNITS.__getitem__) if self else "s"
        return f"{int(self) // _UNITS[unit]}{unit}"

    __repr__ = __str__
