"""egress: prepare brings release and generation to the host, activate moves new recordings to them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial

from livekit_metal.core.errors import Problem
from livekit_metal.roles.egress import debian, occupancy, store
from livekit_metal.roles.egress.generation import View
from livekit_metal.roles.egress.proof import Proof
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.runtime.generations.slot_files import SlotView
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.host.output_filter import Output
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.switchover import Switchover

# At the deadline of a drain: what the slot's own generation has for that.
_FINISH = """exec /bin/sh "$(dirname "$(readlink "/etc/systemd/system/$unit.d/50-generation.conf")")/end.sh" "$unit\""""


class Egress(SlottedDaemon[Settings]):
    """What has to be shown is the same for every generation; without Redis it does not start."""

    title, unit_noun, ask, proof, view = "egress", "recordings", occupancy.ASK, Proof, View

    def missing(self) -> Problem | None:
        storage = self.settings.storage
        if (name := storage.wants) and self.settings.storage_secret is None:
            remedy = f"store it: python -m procedures.secrets INVENTORY set {name}"
            return Problem(f"egress.storage.{storage.kind}", f"{name} is not among the secrets", remedy)
        return super().missing()

    def shared_files(self, view: SlotView[Settings]) -> Iterable[File]:
        own, directory = self.settings, view.directory
        yield view.ports
        yield File(f"{directory}/tidy.sh", text("egress/tidy.sh.j2", egress=own))
        yield File(f"{directory}/end.sh", text("egress/end.sh.j2", egress=own))
        if own.debian:
            yield from _browser(own, directory)
        yield Output(user=own.user, redis=own.redis.address, closed=not own.storage.by_profile).file(directory)

    def switchover(self) -> Switchover:
        # recordings are placed over Redis: nothing stands in front
        flip = 'write "$component $slot"'
        return replace(super().switchover(), flip=flip, finish=_FINISH, grace=self.settings.drain.finalise)

    def preparation(self, accept: Collection[str], *, accept_skip: bool) -> Task:
        """A store that does not take files is refused here, before any host is changed."""
        task, settings = super().preparation(accept, accept_skip=accept_skip), self.settings
        prove = Action("the store takes, gives and deletes an object", partial(store.prove, settings=settings))
        wanted = self.desired()[1].name

        def plan(seen: HostState) -> Plan:
            found = task.plan(seen)
            if not settings.storage.kind or self.service().serving(seen) == wanted:
                return found
            return replace(found, actions=(prove, *found.actions))

        return replace(task, plan=plan)

    def activate(self) -> Task:
        task = super().activate()

        def closing(seen: HostState) -> tuple[str, ...]:
            return (*task.closing(seen), *occupancy.notes(self.settings, seen))

        return replace(task, needs=task.needs | occupancy.needs(self.settings), closing=closing)

    def kept(self) -> Task:
        """Recordings on the host, which would go with it."""
        state = self.settings.state

        def plan(seen: HostState) -> Plan:
            if there := [f"{number} in {state}/{name}" for name, number in occupancy.left(seen).items() if number]:
                remedy = "fetch them, or deliver them with procedures/reupload.py, or drop them with --data calls=drop"
                raise HostError(f"recordings are still here ({', '.join(there)}); {remedy}")
            return Plan()

        return Task(self.role, occupancy.needs(self.settings), plan)


DAEMON = Egress


def _browser(own: Settings, directory: str) -> Iterable[File]:
    """What Debian's browser gets besides, in the directory of a generation."""
    yield File(f"{directory}/start.sh", text("egress/start.sh.j2"))
    yield File(f"{directory}/bin/chromium", text("egress/chromium.j2"), "755")
    yield File(f"{directory}/bin/Xvfb", text("egress/Xvfb.j2"), "755")
    yield File(f"{directory}/gstreamer/python/faac.py", text("egress/faac.py.j2"))
    policies = json.dumps(debian.policies(own.page, own.trusted), indent=2)
    yield File(f"{directory}/policies/livekit-metal.json", policies + "\n")


def deliver(settings: Settings) -> None:
    """Move files whose upload failed to the store, on the host in context."""

    def plan(seen: HostState) -> Plan:
        if not settings.storage.kind:
            return Plan(notes=(f"no store: files stay on the host, in {settings.state}/files",))
        if not (waiting := occupancy.left(seen).get("backup")):
            return Plan(notes=("nothing waits to be delivered",))
        send = partial(store.deliver, settings=settings)
        return Plan((Action(f"deliver {waiting} files to the store", send),))

    in_parallel(Task(settings.component, occupancy.needs(settings), plan), "Deliver recordings")
