"""How much memory a daemon may take, as inventories say it and systemd reads it (systemd.resource-control(5))."""

from __future__ import annotations

import re

_LEAST = 256  # MB: below, no daemon of ours would start
_UNITS = {"M": 1, "G": 1024}


class Memory(str):
    """A share of the host's memory (``"75%"``) or an amount (``"512M"``, ``"4G"``; M and G are powers of 1024)."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Memory:
        """Raises ValueError ``fact; remedy`` for anything that is no amount of memory, or too little of it."""
        text = str(value)
        found = re.fullmatch(r"([1-9]\d{0,5})([MG%])", text)
        if not found:
            raise ValueError(f"is {value!r}; write a share of the host's memory ('75%') or an amount ('512M', '4G')")
        number, unit = int(found[1]), found[2]
        if unit == "%" and not 10 <= number <= 100:
            raise ValueError(f"is {text}; give it 10% to 100% of the host's memory")
        if unit != "%" and number * _UNITS[unit] < _LEAST:
            raise ValueError(f"is {text}; give it {_LEAST}M at least")
        return cls(text)


# The rest is for what an operator needs when a daemon goes wrong: SSH, systemd, the journal, a deploy.
MOST = Memory("75%")
WORDS = (
    "most memory that a slot may have (MemoryMax=): a share of the host's, or 4G; beyond that the kernel kills {}, "
    "instead of anything else on the host"
)
