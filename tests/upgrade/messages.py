"""Data messages that are counted: what was sent, what of it arrived, and after how long."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

PER_SECOND = 10
_SHAPE = struct.Struct("!Id")  # number, when it was due


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """What became of the messages of a kind, from the first that arrived on (the channel opens with a call's start)."""

    sent: int
    lost: int
    twice: int
    slowest_ms: float

    def __str__(self) -> str:
        return f"{self.lost} of {self.sent} lost, {self.twice} came twice, slowest {self.slowest_ms:.0f} ms"


@dataclass(slots=True)
class Ledger:
    """Both ends of a kind of message; times in s, of one clock."""

    sent: int = 0
    arrived: dict[int, float] = field(default_factory=dict)  # number -> s on the way
    twice: int = 0

    def next(self, due: float) -> bytes:
        """The message that is to be sent, ``due`` now or a while ago."""
        self.sent += 1
        return _SHAPE.pack(self.sent, due)

    def take(self, message: bytes, at: float) -> None:
        """Note a message that arrived ``at``. Raises ValueError when it is none of ours."""
        try:
            number, due = _SHAPE.unpack(message)
        except struct.error as error:
            raise ValueError(str(error)) from None
        if number in self.arrived:
            self.twice += 1
        else:
            self.arrived[number] = at - due

    @property
    def complete(self) -> bool:
        """Whether everything arrived that was sent since the first that did."""
        return bool(self.arrived) and not self.told().lost

    def told(self) -> Messages:
        """What is known so far. Raises ValueError when nothing arrived."""
        if not self.arrived:
            raise ValueError("no message arrived: there is nothing to count from")
        sent = self.sent - min(self.arrived) + 1
        slowest = max(self.arrived.values()) * 1000
        return Messages(sent=sent, lost=sent - len(self.arrived), twice=self.twice, slowest_ms=slowest)
