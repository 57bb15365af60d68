"""UDP 443 of a host leads to TURN of the active slot, in the kernel; who is with a slot stays with it.

The rules are made on the host by a script (templates/livekit/udp-443.sh.j2) from the active file and the generations,
as sessions change slots there in one command (hand-over.sh), and at boot. Not by connection tracking: 038.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.slots.decision import Slot, State
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.turn import REDIRECT_TABLE, REDIRECT_UNIT
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action

_FOLLOWS, _FLOWS = "livekit.udp-443", "livekit.udp-443-flows"
_ASK, _ASK_FLOWS = 'sh "$1" check && echo y', 'sh "$1" flows'
_LEAD = 'systemctl daemon-reload; systemctl -q enable "$1"; systemctl restart "$1"'
_GONE = (
    'systemctl -q disable "$1"; nft "add table inet $2; delete table inet $2"; rm -f "$3" "$4"; systemctl daemon-reload'
)
_TELL = shell.program(__file__, "redirect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """The script's variable. A relay is a port of the range of relays: sets have room for more clients than those."""

    script: str
    active: str  # the file that names the slot
    unit: str  # of the slots, as a pattern
    addresses: tuple[str, ...]  # of this host, where media comes in
    wanted: bool

    table: ClassVar[str] = REDIRECT_TABLE
    first: ClassVar[int] = 15  # s for who has not logged in
    later: ClassVar[int] = (
        180  # s for who has, from what TURN has sent last: as connection tracking would (role kernel)
    )
    rate: ClassVar[int] = 1000  # newcomers in a second, of each address family; in `first` fewer than there is room for
    burst: ClassVar[int] = 5000
    size: ClassVar[int] = 32768  # clients with a port of a slot: 4 MB of kernel memory when full

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            script=f"{settings.config_root}/udp-443.sh",
            active=settings.active.file,
            unit=settings.unit.format("*"),
            addresses=tuple(filter(None, (settings.media_address, settings.media_ipv6))),
            wanted=settings.turn.udp_443,
        )

    @property
    def v4(self) -> str:
        return self._of(4)

    @property
    def v6(self) -> str:
        return self._of(6)

    def _of(self, version: int) -> str:
        return next((a for a in self.addresses if ipaddress.ip_address(a).version == version), "")

    @property
    def files(self) -> tuple[File, ...]:
        """On the host before the first slot that tells clients of it."""
        if not self.wanted:
            return ()
        return (
            File(self.script, text("livekit/udp-443.sh.j2", redirect=self)),
            File(f"{UNITS}/{REDIRECT_UNIT}", text("livekit/livekit-udp-443.service.j2", redirect=self)),
        )

    @property
    def needs(self) -> StateQuery:
        """What must be seen of it."""
        paths = frozenset({self.script, f"{UNITS}/{REDIRECT_UNIT}"})
        if not self.wanted:
            return StateQuery(files=paths)
        asked = shell.given(_ASK, self.script)
        return StateQuery(files=paths, units=frozenset({REDIRECT_UNIT}), queries=((_FOLLOWS, f"(\n{asked})"),))

    def follows(self, seen: HostState) -> bool:
        """Whether the kernel has these rules, and newcomers go to the slot that the active file names."""
        return bool(seen.answers[_FOLLOWS])

    def flows(self, seen: HostState) -> str:
        """For status: how many clients of UDP 443 are with the ports of slots."""
        found: dict[str, int] = {}
        for line in seen.answers[_FLOWS]:
            port, number = line.split()
            found[port] = found.get(port, 0) + int(number)
        return ", ".join(f"{number} with port {port}" for port, number in found.items() if number) or "nobody"

    @property
    def asked(self) -> StateQuery:
        """What :meth:`flows` needs."""
        return StateQuery(queries=((_FLOWS, f"(\n{shell.given(_ASK_FLOWS, self.script)})"),))

    def change(self, program: str) -> str:
        """``program`` (flip or close, see Switchover), and then newcomers to UDP 443 go to the same slot."""
        return shell.given(_TELL, self.script, program) if self.wanted else program

    def actions(self, seen: HostState, slots: dict[str, Slot], *, changes: bool) -> Iterator[Action]:
        """What is to be done about it, after what is done about ``slots``; ``changes``: new sessions go elsewhere."""
        if self.wanted:
            up = (seen.unit(REDIRECT_UNIT, "ActiveState"), seen.unit(REDIRECT_UNIT, "UnitFileState"))
            led = up == ("active", "enabled") and (changes or self.follows(seen))
            if self.script in seen.files and not led:  # a rollback does not bring it
                yield Action("UDP 443 leads to the active slot", lambda host: run(host, _LEAD, REDIRECT_UNIT))
        elif not self.kept(seen, slots, changes=changes):
            yield Action("UDP 443 leads nowhere any more", self._remove)

    def kept(self, seen: HostState, slots: dict[str, Slot], *, changes: bool) -> bool:
        """Whether it is as it should be where nobody is told of it: not there, or there for a slot that drains."""
        if self.script not in seen.files and f"{UNITS}/{REDIRECT_UNIT}" not in seen.files:
            return True
        return changes or any(slot.state is State.DRAINING for slot in slots.values())

    def notes(self, seen: HostState, slots: dict[str, Slot], *, changes: bool) -> tuple[str, ...]:
        if self.wanted or self.script not in seen.files or not self.kept(seen, slots, changes=changes):
            return ()
        return (
            "UDP 443 stays TURN's: a slot that drains has told clients of it; a deploy after its end takes it away",
        )

    def _remove(self, host: Host) -> None:
        run(host, _GONE, REDIRECT_UNIT, self.table, self.script, f"{UNITS}/{REDIRECT_UNIT}")
