"""How many hosts are changed at once, as inventories say it."""

from __future__ import annotations

import re


class Wave(str):
    """A number of hosts (``3``) or a share of those of a run (``"25%"``)."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Wave:
        """Raises ValueError ``fact; remedy`` for anything that is neither."""
        text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
        found = re.fullmatch(r"([1-9]\d{0,3})(%?)", text)
        if not found or (found[2] and int(found[1]) > 100):
            raise ValueError(f"is {value!r}; write a number of hosts (3) or a share of them ('25%')")
        return cls(text)

    def of(self, hosts: int) -> int:
        """How many of so many hosts: of a share what is whole, one at least."""
        share = self.endswith("%")
        return max(1, hosts * int(self.rstrip("%")) // 100 if share else int(self))


ONE = Wave("1")
