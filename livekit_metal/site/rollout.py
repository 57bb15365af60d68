"""How a deploy goes through the hosts of a site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.wave import ONE, Wave


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout(Checked):
    """How a deploy goes through the hosts: canaries one by one, then waves."""

    canary: int = option(1, "hosts at the beginning of the list that are activated one by one before the first wave")
    wave: Wave = option(
        ONE,
        'hosts that are activated at once after that: a number, or a share of the run\'s ("25%"). The hosts of Redis '
        "and of the first edge go alone, no wave has every host that serves a role, and none begins after a failure",
    )
    pause: Duration = option(
        Duration(0), "time between two waves (hosts, with wave 1), where the first changed something"
    )

    @property
    def serial(self) -> bool:
        """Whether hosts go one by one."""
        return self.wave == ONE

    def problems(self, path: str) -> Iterator[Problem]:
        if self.canary < 1:
            fact = f"is {self.canary}: a change that is broken would begin with a whole wave"
            yield Problem(f"{path}.canary", fact, "make it 1 or more")
