"""What bounds a reboot while slots drain: a unit of every host with slots, whose end is the host's going down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from roles._kit.change import sh
from roles._kit.files import File, text
from roles._kit.look import Needs, Seen
from roles._kit.plan import Step
from roles._kit.service import UNITS
from stack.slots import DRAIN_DROP_IN, FINISH
from stack.slots import GUARD as UNIT

# Not waited for: it starts when none of those before it is on its way down, and a slot that drains may be for hours.
_ENABLE = "systemctl daemon-reload; systemctl -q enable $1; systemctl start --no-block $1"


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of a host whose configuration is below ``config_root``. Several roles may ask for it."""

    config_root: str

    reboot: ClassVar[int] = 20  # seconds a drain may have taken when the host goes down
    finish: ClassVar[int] = 60  # seconds for what is to be finished, from then on
    tell: ClassVar[int] = 25  # seconds for those who tell LiveKit how something ended, until it goes down too
    tellers: ClassVar[str] = "'livekit-egress@*' 'livekit-ingress@*' 'livekit-sip@*'"
    drop_in: ClassVar[str] = DRAIN_DROP_IN
    finish_file: ClassVar[str] = FINISH

    @property
    def script(self) -> str:
        return f"{self.config_root}/drain-guard.sh"

    @property
    def files(self) -> tuple[File, ...]:
        return (
            File(self.script, text("_kit/drain-guard.sh.j2", guard=self)),
            File(f"{UNITS}/{UNIT}", text("_kit/livekit-drain-guard.service.j2", guard=self)),
        )


NEEDS = Needs(units=frozenset({UNIT}))


def step(seen: Seen) -> tuple[Step, ...]:
    """Have the guard stand, before anything can drain."""
    if (seen.unit(UNIT, "ActiveState"), seen.unit(UNIT, "UnitFileState")) == ("active", "enabled"):
        return ()
    return (Step("guard reboots", lambda host: sh(host, _ENABLE, UNIT)),)
