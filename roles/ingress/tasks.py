"""ingress: prepare brings release and generation to the host, activate moves new streams to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from livekit_metal.core import shell
from livekit_metal.roles.ingress.proof import Proof
from livekit_metal.roles.ingress.settings import Settings
from livekit_metal.runtime.generations.slot_files import SlotView
from livekit_metal.runtime.host import hidepid
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.output_filter import Output
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Plan, Task
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.switchover import Switchover

# At the deadline of a drain: the processes of streams, children of the service, end them in an orderly way. The service
# itself has had its signal and hears no other.
_FINISH = 'pkill -INT -P "$(systemctl show -p MainPID --value "$unit")"'
_OCCUPANCY, _HEARS = (shell.program(__file__, name) for name in ("occupancy", "hears"))


class Ingress(SlottedDaemon[Settings]):
    """Without Redis it does not start, and a slot that is not active gets no stream: there is no proof alone."""

    title, unit_noun, ask, proof = "ingress", "streams", _OCCUPANCY, Proof
    hears = _HEARS

    def shared_files(self, view: SlotView[Settings]) -> Iterable[File]:
        yield view.ports
        yield Output(user=self.settings.user, redis=self.settings.redis.address).file(view.directory)

    def switchover(self) -> Switchover:
        return replace(super().switchover(), signal="SIGTERM", finish=_FINISH, grace=self.settings.drain.finish)

    def activate(self) -> Task:
        task = super().activate()
        if self.settings.process_list != "hide":
            return task

        def plan(seen: HostState) -> Plan:
            found = task.plan(seen)
            return replace(found, actions=(*hidepid.actions(seen), *found.actions))

        return replace(task, needs=task.needs | hidepid.needs(), plan=plan)


DAEMON = Ingress
