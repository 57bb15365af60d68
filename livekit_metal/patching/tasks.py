"""A host's way through its own upgrades, as Tasks of one turn; each is planned from what the one before has left.

What was begun is on the host: the marker of maintenance with WHY in it. A run that ended anywhere is finished by the
next one, and a host that is in maintenance for another reason is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from pyinfra.api.host import Host

from livekit_metal.core.check_result import BAD
from livekit_metal.patching.due import APT, Asked, due, needs
from livekit_metal.patching.reboot import reboot
from livekit_metal.runtime.host.commands import HostError, read, run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import poll
from livekit_metal.runtime.run import maintenance
from livekit_metal.runtime.run.task import Action, DeferredTask, Plan, Task
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.occupancy import State

WHY = "the host's own upgrades (procedures/patch.py)"
_HOUR = 3600  # s: the longest that apt may take
_SETTLES = 60.0  # s until everything looks well after a start
_LOOKS = 5.0  # s between two looks at who is still there
Looks = Callable[[Host], Iterable[Any]]  # rows of the doctor about a host


class Patching:
    """The Tasks of one host. ``rebooted`` is what this run has done already."""

    def __init__(self, host: str, marker: str, asked: Asked) -> None:
        self.host, self.marker, self.asked, self.rebooted = host, marker, asked, False

    @property
    def needs(self) -> StateQuery:
        return needs(self.asked) | maintenance.needs(self.marker)

    def begun(self, seen: HostState) -> bool:
        """Whether the host is out of service for its upgrades."""
        return bool(maintenance.words(seen)) and not maintenance.words(seen, but=WHY)

    def wanted(self, seen: HostState) -> bool:
        """Whether there is anything to do."""
        found = due(self.asked, seen)
        always = self.asked.reboot == "always" and not self.rebooted
        return bool(self.begun(seen) or found.packages or found.reboot or always)

    def only(self, task: Task, *, begun: bool = False) -> Task:
        """``task`` where there is something to do (``begun``: on a host that is out of service)."""

        def plan(seen: HostState) -> Plan:
            return task.plan(seen) if (self.begun(seen) if begun else self.wanted(seen)) else Plan()

        silent = replace(task, closing=lambda _: ())
        return replace(silent, needs=task.needs | self.needs, plan=plan)

    def only_begun(self, task: Task | DeferredTask) -> Task | DeferredTask:
        """``task``, also one that is named later, on a host that is out of service."""
        if isinstance(task, Task):
            return self.only(task, begun=True)
        return replace(task, tasks=lambda seen: tuple(self.only(each, begun=True) for each in task.tasks(seen)))

    def consent(self, *, nobody_else: bool) -> Task:
        """Refuse where nobody else serves and it was not said that this may be. Says what is due and what it costs."""

        def plan(seen: HostState) -> Plan:
            found = due(self.asked, seen)
            held = (f"{', '.join(found.held)} held back (apt-mark showhold)",) if found.held else ()
            if not self.wanted(seen):
                return Plan(notes=held)
            if nobody_else and not self.asked.alone:
                what = f"{len(found.packages)} packages are due ({found.names})" if found.packages else "it is due"
                again = "and a reboot" if found.reboot or self.asked.reboot == "always" else "and perhaps a reboot"
                raise HostError(
                    f"{what}, and no other host serves: from its drain until it is back, {again} in between, nobody "
                    f"can begin a call, and those who talk have {self.asked.within} to end; say so with "
                    "--data alone=yes, at an hour when that is no harm"
                )
            return Plan(notes=held)

        return Task("patch", self.needs, plan)

    def mark(self) -> Task:
        """Say on a host without slots that it is out of service."""

        def plan(seen: HostState) -> Plan:
            if maintenance.words(seen):
                return Plan()
            return Plan((Action("mark the host", partial(maintenance.begin, path=self.marker, why=WHY)),))

        return self.only(Task("patch", self.needs, plan))

    def empty(self, daemons: Collection[SlottedDaemon[Any]]) -> Task:
        """Wait until nobody is on any slot."""

        def wait(host: Host) -> None:
            end, said = time.monotonic() + self.asked.within, ""
            while left := _occupied(host, daemons):
                if time.monotonic() > end:
                    if self.asked.drop:
                        return host.log(f"patch: cut: {left}")
                    raise HostError(
                        f"{left}: still there after {self.asked.within}; nobody new comes: run the same again (it goes "
                        "on from here), give them longer with --data within=5h, or cut them with --data calls=drop"
                    )
                if left != said:
                    host.log(f"patch: {left}")
                    said = left
                time.sleep(min(_LOOKS, self.asked.within / 10))
            return None

        def plan(_: HostState) -> Plan:
            return Plan((Action(f"wait until nobody is here (at most {self.asked.within})", wait),) if daemons else ())

        return self.only(Task("patch", self.needs, plan))

    def upgrade(self) -> Task:
        """What is due comes."""

        def plan(seen: HostState) -> Plan:
            found = due(self.asked, seen)
            if not found.packages:
                return Plan()
            step = Action(
                f"update {found.names}", lambda host: run(host, APT, "upgrade", self.asked.updates, timeout=_HOUR)
            )
            return Plan((step,), f"{len(found.packages)} packages updated")

        return Task("patch", self.needs, plan)

    def restart(self) -> Task:
        """A reboot, where something asks for it."""

        def go(host: Host) -> str:
            said = reboot(host)
            self.rebooted = True
            return said

        def plan(seen: HostState) -> Plan:
            reasons = due(self.asked, seen).reboot
            if self.asked.reboot == "always" and not self.rebooted:
                reasons = reasons or ("it was asked for",)
            if not reasons or self.rebooted:
                return Plan()
            return Plan((Action(f"reboot: {'; '.join(reasons)}", go),), "rebooted")

        return self.only(Task("patch", self.needs, plan))

    def finish(self, rows: Looks, call: Callable[[Host], str] | None) -> Task:
        """Back in service for good: the doctor's rows about the host are well, and a call gets through it."""

        def check(host: Host) -> None:
            bad: list[str] = []

            def well() -> bool:
                bad[:] = [
                    f"{row.name}: {row.said}" for row in rows(host) if row.result in BAD and row.about == self.host
                ]
                return not bad

            try:
                poll("the doctor's rows", well, within=_SETTLES, every=2.0)
            except HostError as error:
                raise HostError(f"it is not well after its upgrades: {'; '.join(bad)}") from error
            if call and (why := call(host)):
                why = "no slot serves" if why == "-" else why
                raise HostError(f"no call gets through it after its upgrades: {why}")

        def plan(seen: HostState) -> Plan:
            if not self.begun(seen):
                return Plan()
            return Plan(
                (
                    Action("look at it as the doctor does, and call through it", check),
                    Action("end the maintenance", lambda host: maintenance.end(host, self.marker)),
                ),
                "back in service",
            )

        return Task("patch", self.needs, plan)


def _occupied(host: Host, daemons: Iterable[SlottedDaemon[Any]]) -> str:
    """Who is on slots of the host, for people; '' when all are empty."""
    left = []
    for each in daemons:
        _, text = each.query_all.probe
        lines = read(host, text).splitlines()
        slots = [one for one, _ in each.query_all.read(lines) if one.state is not State.EMPTY]
        if slots:
            left.append(
                f"{each.count(lines)} {each.query_all.unit_noun} on {', '.join(f'slot {one.slot}' for one in slots)}"
            )
    return " and ".join(left)


def rows_of(of: Callable[[HostState], Any], look: Callable[[Host], HostState]) -> Looks:
    """The doctor's rows about a host as it is when they are asked for."""
    return lambda host: of(look(host)).rows
