"""livekit-server: prepare brings release and generation to the host, activate moves new sessions to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial

from pyinfra.api.host import Host

from livekit_metal.core.slots.decision import Move
from livekit_metal.roles.livekit import generation, occupancy
from livekit_metal.roles.livekit.generation import View
from livekit_metal.roles.livekit.proof import UNJOINED, Proof, call_active_slot, vantage
from livekit_metal.roles.livekit.redirect import Redirect
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.generations.slot_files import SlotView
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.probe import on_host
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots.active_slot import CLOSE, FLIP
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.switchover import Switchover


class Livekit(SlottedDaemon[Settings]):
    """A new slot is proved alone, by a call, before any room can land on it."""

    title, unit_noun, ask, proof, view = "livekit-server", occupancy.NOUN, occupancy.ASK, Proof, View

    def shared_files(self, view: SlotView[Settings]) -> Iterable[File]:
        return generation.shared_files(view)

    def slot_files(self, view: SlotView[Settings]) -> Iterable[File]:
        return generation.slot_files(view)

    def switchover(self) -> Switchover:
        flip, close = (self.redirect.change(program) for program in (FLIP, CLOSE))
        unjoined = self.settings.drain.unjoined
        return replace(super().switchover(), unjoined=unjoined, waiting=UNJOINED, flip=flip, close=close)

    @property
    def redirect(self) -> Redirect:
        """What leads UDP 443 to the active slot, where it is wanted."""
        return Redirect.of(self.settings)

    @property
    def units(self) -> tuple[File, ...]:
        return (*super().units, *self.redirect.files)

    @property
    def needs(self) -> StateQuery:
        return super().needs | self.redirect.needs

    def run(self, wanted: Generation, *, before_switch: tuple[Action, ...] = ()) -> Task:
        """As any daemon's; then UDP 443 leads where it should."""
        task, service, redirect = super().run(wanted, before_switch=before_switch), self.service(wanted), self.redirect

        def plan(seen: HostState) -> Plan:
            found = task.plan(seen)
            slots, decision = service.observed(seen)[1], service.decision(wanted, seen)
            changes = decision.move is not Move.KEEP or bool(decision.drain)
            led = redirect.actions(seen, slots, changes=changes)
            notes = redirect.notes(seen, slots, changes=changes)
            return replace(found, actions=(*found.actions, *led), notes=(*found.notes, *notes))

        return replace(task, plan=plan)

    def describe(self, lines: list[str]) -> tuple[str, ...]:
        return tuple(occupancy.describe(each) for each in occupancy.parse(lines, self.settings).values())

    def count(self, lines: list[str]) -> int:
        return sum(each.participants or 0 for each in occupancy.parse(lines, self.settings).values())

    def preparation(self, accept: Collection[str], *, accept_skip: bool) -> Task:
        """With what makes calls on hosts, where they are made there."""
        task, calls = super().preparation(accept, accept_skip=accept_skip), vantage(self.settings)

        def plan(seen: HostState) -> Plan:
            found = task.plan(seen)
            calling = on_host.actions(calls.root, seen, wanted=calls.on_hosts)
            return replace(found, actions=(*found.actions, *calling))

        return replace(task, needs=task.needs | on_host.needs(calls.root, wanted=calls.on_hosts), plan=plan)


DAEMON = Livekit


def call_check(settings: Settings) -> Callable[[Host], str]:
    """What tells whether a call gets through the slot that serves on a host, see :func:`proof.call_active_slot`."""
    return partial(call_active_slot, settings=settings)
