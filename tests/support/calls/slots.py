"""The slots of livekit-server as their hosts see them, and calls that are put on one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import uuid4

from livekit.protocol.room import CreateRoomRequest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.forced_path import Path
from livekit_metal.call.server import room_service
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.site.model import Site
from tests.support.hosts.lab import over_ssh

ENDS = 60.0  # s for a slot to end when its last call has; measured: 1 to 5
_ACTIVE = "systemctl list-units --plain --no-legend --state=active 'livekit-server@*'"
_DRAINING = "systemctl list-units --plain --no-legend --state=deactivating 'livekit-server@*'"


@dataclass(frozen=True)
class Slot:
    """A process of livekit-server: its unit and its node id."""

    unit: str
    node: str


def serving(site: Site, name: str) -> Slot:
    """The one slot that runs on a host and does not drain; ``site`` is what is deployed there."""
    host, livekit = over_ssh(name), site.for_host(name).the(Livekit)
    units = [line.split()[0] for line in host.check_output(_ACTIVE).splitlines()]
    assert len(units) == 1, f"{name}: not one slot runs, but {', '.join(units) or 'none'}"
    unit = units[0]
    metrics = livekit.part("metrics", unit.partition("@")[2].removesuffix(".service")).first
    found = host.check_output(f"curl -s http://127.0.0.1:{metrics}/metrics | grep -o 'ND_[^\"]*' | head -n 1")
    return Slot(unit, found)


def draining(name: str) -> list[str]:
    """The units of a host that wait for the end of their calls."""
    return [line.split()[0] for line in over_ssh(name).check_output(_DRAINING).splitlines()]


async def room_on(access: Access, node: str) -> str:
    """The name of a new room on ``node``, which goes a second after its last participant."""
    room = f"change-{uuid4().hex[:12]}"
    async with room_service(access) as rooms:
        await rooms.create_room(CreateRoomRequest(name=room, node_id=node, departure_timeout=1))
    return room


async def pinned(access: Access, node: str, through: str, path: Path | None = None) -> Call:
    """A call through the host ``through`` in a room that was put on ``node``; its media may take only ``path``."""
    room = await room_on(access, node)
    return Call(access, room=room, publish_through=through, subscribe_through=through, path=path)


def ended(name: str, unit: str) -> None:
    """Wait until an old slot has ended by itself, and in its own way."""
    host, end = over_ssh(name), time.monotonic() + ENDS
    while host.run(f"systemctl is-active {unit}").stdout.strip() == "deactivating":
        assert time.monotonic() < end, f"{unit} has not ended {ENDS:.0f} s after its last call"
        time.sleep(0.2)
    shown = host.check_output(f"systemctl show -p ActiveState -p Result {unit}")
    assert sorted(shown.split()) == ["ActiveState=inactive", "Result=success"], f"{unit}: {shown}"
