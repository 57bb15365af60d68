"""What is measured of a way: pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one call. Up is from the client to the server; losses are percent of packets of sound, which alone takes 40
    kbit/s: what is lost then is not for want of room, unless there is hardly any.

    ``rate_kbps`` is what got there and back when the way was filled, ``sent_kbps`` what left this machine meanwhile.
    ``late_ms`` says how late this machine's own clock came, nineteen times in twenty at most: where it is late itself,
    times say nothing of the way.
    """

    loss_up: float
    loss_down: float
    round_trip_ms: float
    jitter_ms: float
    rate_kbps: float
    sent_kbps: float
    whole: bool  # all that was sent to fill the way arrived: it carries at least that much
    late_ms: float


@dataclass(slots=True)
class Traffic:
    """Packets that went a forced way, and that came back: it is open where anything did."""

    sent: int = 0
    back: int = 0
