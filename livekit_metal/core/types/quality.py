"""How good a way for media must be, with the reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality(Checked):
    """What the doctor's calls must have by each way; worse is a fault with a row of its own."""

    loss: float = option(5.0, "% of packets lost one way: Opus conceals less than that, video begins to freeze")
    jitter_ms: float = option(50.0, "ms: more than clients' buffers take without a longer delay")
    round_trip_ms: float = option(
        300.0,
        "ms from the client to the server and back: with 100 ms of buffers, what one says is heard after 400 ms, from "
        "where on people talk into each other (ITU-T G.114)",
    )
    rate_kbps: float = option(
        500.0, "kbit/s each way: sound takes 60, the smallest picture of a camera 450 (640x360, the SDKs' preset)"
    )
    wait_ms: float = option(
        2.0,
        "ms that livekit-server waits for a core each time, on average: a packet takes several turns; measured 3.5 to "
        "4.5 on a machine with 17 processes to a core, where joins took seconds",
    )

    def problems(self, path: str) -> Iterator[Problem]:
        for field in dataclasses.fields(self):
            if (value := getattr(self, field.name)) <= 0:
                yield Problem(f"{path}.{field.name}", f"is {value:g}", "write more than 0")
        if self.loss >= 100:
            yield Problem(f"{path}.loss", f"is {self.loss:g}", "write a share below 100")
