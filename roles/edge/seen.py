"""What a look at a host says of its edge: what HAProxy runs, and the slots that it has behind it."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from livekit_metal.roles.edge.backends import Slot, Streams, StreamSlot
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.runtime.host.state import HostState


@dataclass(frozen=True, slots=True)
class Running:
    """What the running HAProxy says of itself."""

    description: str = ""
    command: str = ""
    map: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, seen: HostState) -> Running:
        lines = seen.answers.get("edge.haproxy", [])

        def said(start: str) -> str:
            return next((line.removeprefix(start) for line in lines if line.startswith(start)), "")

        entries = (re.fullmatch(r"0x[0-9a-f]+ (\S+) (\S+)", line) for line in lines)
        return cls(
            description=said("description: "),
            command=said("called "),
            map=tuple(sorted((m[1], m[2]) for m in entries if m)),
        )

    def reads(self, config: str) -> bool:
        """Whether a reload brings the file ``config`` into force (one that says nothing may)."""
        return not self.command or f" -f {config} " in self.command


def slots(settings: Settings, seen: HostState) -> tuple[Slot, ...]:
    """The site's slots, but those that run now as the present configuration has them.

    A process keeps its ports, and what it wants to hear on them, until it ends: HAProxy may follow the site only then.
    """
    found = {slot.name: slot for slot in settings.slots}
    for line in seen.answers.get("edge.slots", []):
        name, signal, metrics, *turn = line.split()
        if seen.unit(settings.slot_unit.format(name), "ActiveState") not in ("", "inactive", "failed"):
            found[name] = Slot(
                name=name,
                signal=int(signal),
                metrics=int(metrics),
                turn=int(turn[0]) if turn else 0,
                header="PROXY" in turn,
            )
    return tuple(found.values())


def streams(streams: Streams | None, seen: HostState) -> Streams | None:
    """The same for slots that take streams."""
    if not streams:
        return None
    slots = {slot.name: slot for slot in streams.slots}
    for line in seen.answers.get("edge.streams", []):
        name, *ports = line.split()
        if seen.unit(streams.unit.format(name), "ActiveState") not in ("", "inactive", "failed"):
            rtmp, whip, health = map(int, ports)
            slots[name] = StreamSlot(name=name, rtmp=rtmp, whip=whip, health=health)
    return dataclasses.replace(streams, slots=tuple(slots.values()))


def entries(seen: HostState) -> tuple[tuple[str, str], ...]:
    """The lines of the active file."""
    words = (line.split() for line in seen.answers.get("edge.active", []))
    return tuple(sorted((w[0], w[1]) for w in words if len(w) == 2 and not w[0].startswith("#")))
