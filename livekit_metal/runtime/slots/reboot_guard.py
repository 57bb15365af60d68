"""What bounds a reboot while slots drain: a unit of every host with slots, whose end is the host's going down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT
from livekit_metal.core.slots.decision import GUARD as UNIT
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action
from livekit_metal.site.loading import every_role

# Not waited for: it starts when none of those before it is on its way down, and a slot that drains may be for hours.
_ENABLE = "systemctl daemon-reload; systemctl -q enable $1; systemctl start --no-block $1"


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of a host whose configuration is below ``config_root``. Several roles may ask for it."""

    config_root: str

    reboot: ClassVar[int] = 20  # seconds a drain may have taken when the host goes down
    finish: ClassVar[int] = 60  # seconds for what is to be finished, from then on
    tell: ClassVar[int] = 25  # seconds for those who tell LiveKit how something ended, until it goes down too
    drop_in: ClassVar[str] = DRAIN_DROP_IN
    finish_file: ClassVar[str] = FINISH_SCRIPT

    @property
    def reporting_units(self) -> str:
        """Patterns of the units that tell LiveKit how something ended, as a shell reads them."""
        told = (role.settings.unit for role in every_role() if role.slots and role.reports)
        return " ".join(f"'{unit.partition('@')[0]}@*'" for unit in told)

    @property
    def script(self) -> str:
        return f"{self.config_root}/drain-guard.sh"

    @property
    def files(self) -> tuple[File, ...]:
        return (
            File(self.script, text("runtime/drain-guard.sh.j2", guard=self)),
            File(f"{UNITS}/{UNIT}", text("runtime/livekit-drain-guard.service.j2", guard=self)),
        )


NEEDS = StateQuery(units=frozenset({UNIT}))


def step(seen: HostState) -> tuple[Action, ...]:
    """Have the guard stand, before anything can drain."""
    if (seen.unit(UNIT, "ActiveState"), seen.unit(UNIT, "UnitFileState")) == ("active", "enabled"):
        return ()
    return (Action("guard reboots", lambda host: run(host, _ENABLE, UNIT)),)
