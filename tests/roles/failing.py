"""What a plan does when one of its actions has failed, done on this machine."""

from __future__ import annotations

from livekit_metal.runtime.run.task import Plan
from livekit_metal.runtime.slots.slotted_service import SlottedService
from tests.support.hosts.local_host import HOST, LocalHost
from tests.support.hosts.stand_ins import Units


def fails(local: LocalHost, daemon: SlottedService, todo: Plan) -> None:
    """Assert that the second slot of ``daemon``, which has joined, is drained, and that the first serves on."""
    units, (serving, candidate, *_) = Units(local.notes), map(daemon.unit.format, daemon.slots)
    file, line = daemon.change.active.file, f"{daemon.component} {daemon.slots[0]}\n"
    for each in (serving, candidate):
        units[each] = "active"
        units.busy(each)
    local.write(file, line)
    assert todo.undo is not None
    todo.undo(HOST)
    assert (units[serving], units[candidate]) == ("active", "deactivating")
    assert local.path(file).read_text() == line
    drop_ins = local.path(f"/run/systemd/system/{candidate}.d")
    assert "TimeoutStopSec=" in (drop_ins / "90-livekit-metal-drain.conf").read_text(), "it may take its time"
    assert not local.path(f"/run/systemd/system/{serving}.d").exists()
