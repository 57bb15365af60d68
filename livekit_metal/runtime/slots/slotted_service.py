"""A daemon in slots: what is observed of it, and the plan that brings its wanted generation into service.

stage -> prove alone -> join -> hand over and drain (design: docs/decisions). Nothing before the hand-over can drop a
call; after it there is only forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core.slots.decision import Decision, Move, Refresh, Slot, State, decide, occupants
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.generations.history import History
from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action, Plan
from livekit_metal.runtime.slots import switchover

KEPT = 2  # generations kept beside those in use


@dataclass(frozen=True, slots=True)
class SlottedService:
    """A daemon in slots, and what must be true of it. The hooks raise HostError; ``ready`` gets (host, slot, fresh)."""

    component: str
    unit: str  # with {} for the slot
    slots: tuple[str, ...]
    root: str  # of its generations
    releases: str  # directory of its releases
    change: switchover.Switchover
    check: Callable[[Host, str], object]  # the program's own checker on a slot's configuration
    alone: Callable[[Host, str], object] | None  # a process that no session can reach works; None: there is no such
    ready: Callable[[Host, str, bool], object]  # a process that sessions can reach works
    refresh: Refresh = Refresh.NO

    @property
    def needs(self) -> StateQuery:
        name = self.component
        return (
            StateQuery(
                units=frozenset({self.unit.format("*"), *(self.unit.format(s) for s in self.slots)}),
                queries=(
                    (f"{name}.active", f"sed -n 's/^{name} //p' {quote(self.change.active.file)}"),
                    (f"{name}.releases", f"ls -1d {quote(self.releases)}/*"),
                    *self.history.queries,
                ),
            )
            | old_code.needs()
        )

    @property
    def history(self) -> History:
        return History(self.component, self.root)

    def observed(self, seen: HostState) -> tuple[str, dict[str, Slot]]:
        """The active slot's name and what every slot does; one that the site no longer has counts while it runs."""
        before, after = self.unit.split("{}")
        running = [u.removeprefix(before).removesuffix(after) for u in seen.units if u.startswith(before)]
        slots = {}
        for name in dict.fromkeys((*self.slots, *running)):
            unit = self.unit.format(name)
            found = Slot.observed(seen.unit(unit, "ActiveState"), seen.unit(unit, "Stamp"))
            if name in self.slots or found.state is not State.EMPTY:
                slots[name] = found
        return "".join(seen.answers[f"{self.component}.active"][:1]), slots

    def serving(self, seen: HostState) -> str:
        """The generation that new sessions reach; '' when there is none."""
        active, slots = self.observed(seen)
        return slots[active].generation if active in slots and slots[active].state is State.RUNNING else ""

    def stale(self, seen: HostState) -> tuple[str, ...]:
        """The slots whose process runs code that an update has replaced."""
        return tuple(name for name in self.observed(seen)[1] if old_code.of_main(seen, self.unit.format(name)))

    def decision(self, wanted: Generation, seen: HostState) -> Decision:
        """Raises HostError when a slot is needed and none is empty."""
        active, slots = self.observed(seen)
        stale = self.stale(seen)
        decision = decide(active, slots, wanted.name, self.slots, stale, refresh=self.refresh is not Refresh.NO)
        if decision.move is Move.REFUSE and self.refresh is Refresh.EMPTY:
            decision = decide(active, slots, wanted.name, self.slots, stale)
        if decision.move is Move.REFUSE:
            raise HostError(
                f"no slot is empty ({occupants(slots.items())}); wait until one has drained (procedures/status.py says "
                "until when), then run the same command again"
            )
        return decision

    def plan(self, wanted: Generation, seen: HostState, *, before_switch: tuple[Action, ...] = ()) -> Plan:
        """Have the active slot run ``wanted``: start beside, prove, hand over, drain."""
        _, slots = self.observed(seen)
        decision = self.decision(wanted, seen)
        steps = [*self._discards(decision.discard)]
        if decision.move is Move.KEEP:
            steps += [*(before_switch if decision.drain else ()), *self._drains(decision)]
        else:
            fresh = decision.move is Move.START
            steps += self._proof(wanted, decision.slot, slots) if fresh else ()
            steps += self._joins(wanted, decision, fresh=fresh, then=before_switch)
        if steps:  # what a next run would find to prune is no reason to change
            steps += self._prune(wanted, slots, seen)
        # what has served already is given up only while another slot serves
        new = decision.move is Move.START or (decision.move is Move.RESUME and decision.drain)
        undo = partial(self._abandon, candidate=decision.slot) if new else None
        return Plan(tuple(steps), self._summary(wanted, decision, seen), self._notes(decision, seen), undo)

    def retire(self, seen: HostState, decision: Decision) -> tuple[Action, ...]:
        """Have no slot of the host serve; those that run drain."""
        steps = self._discards(decision.discard)
        if seen.answers[f"{self.component}.active"] or decision.drain:
            out = partial(self.change.switch_traffic, slot="", old=decision.drain)
            steps.append(
                Action(", ".join(filter(None, ("new sessions go to other hosts", drains(decision.drain)))), out)
            )
        return tuple(steps)

    def _proof(self, wanted: Generation, name: str, slots: Mapping[str, Slot]) -> list[Action]:
        unit, flag = self.unit.format(name), switchover.candidate(self.component, name)
        end = partial(switchover.end, unit=unit, flag=flag)
        left = (
            [Action(f"slot {name}: end a proof that was cut short", end)] if slots[name].state is State.ISOLATED else []
        )
        steps = [*left, Action(f"slot {name}: check {wanted.name}", lambda host: self.check(host, name))]
        if not (prove := self.alone):
            return steps
        alone = partial(switchover.point, unit=unit, drop_in=wanted.drop_in(name, alone=True), flag=flag)
        return [
            *steps,
            Action(f"slot {name}: point to {wanted.name} alone", alone),
            Action(f"slot {name}: start alone", partial(switchover.start, unit=unit)),
            Action(f"slot {name}: prove alone", lambda host: prove(host, name)),
            Action(f"slot {name}: end the proof", end),
        ]

    def _joins(self, wanted: Generation, decision: Decision, *, fresh: bool, then: tuple[Action, ...]) -> list[Action]:
        name = decision.slot
        unit, flag = self.unit.format(name), switchover.candidate(self.component, name)
        steps = []
        if fresh:
            join = partial(switchover.point, unit=unit, drop_in=wanted.drop_in(name), flag=flag)
            steps.append(Action(f"slot {name}: point to {wanted.name}", join))
            steps.append(Action(f"slot {name}: join", partial(switchover.start, unit=unit)))
        steps.append(Action(f"slot {name}: ready", lambda host: self.ready(host, name, fresh)))
        steps += then
        mark = f"{self.root}/served/{wanted.name}"
        over = partial(self.change.switch_traffic, slot=name, old=decision.drain, mark=mark)
        words = (f"slot {name}: new sessions go here", drains(decision.drain))
        steps.append(Action(", ".join(filter(None, words)), over))
        return steps

    def _drains(self, decision: Decision) -> list[Action]:
        if not decision.drain:
            return []
        return [Action(drains(decision.drain), partial(self.change.drain, old=decision.drain))]

    def _discards(self, names: tuple[str, ...]) -> list[Action]:
        return [
            Action(
                f"slot {name}: end a proof that was cut short",
                partial(switchover.end, unit=self.unit.format(name), flag=switchover.candidate(self.component, name)),
            )
            for name in names
        ]

    def _abandon(self, host: Host, candidate: str) -> None:
        """A candidate failed: end it while it is alone, else drain it (real rooms may be on it). Not once it serves."""
        unit, flag = self.unit.format(candidate), switchover.candidate(self.component, candidate)
        said = run(
            host,
            'if grep -qsx "$1 $2" "$3"; then echo active; exit; fi\n'
            'case $(readlink "/etc/systemd/system/$4.d/50-generation.conf") in *-alone.conf) echo alone ;; esac',
            self.component, candidate, self.change.active.file, unit,
        ).strip()  # fmt: skip
        if said == "alone":
            switchover.end(host, unit, flag)
        elif not said:
            self.change.drain(host, (candidate,))

    def _summary(self, wanted: Generation, decision: Decision, seen: HostState) -> str:
        release, where = wanted.release.rsplit("/", 1)[-1], f"on slot {decision.slot}"
        before = self.history.records(seen).get(self.serving(seen))
        if decision.move is Move.KEEP or not before:
            return f"{release} {where}"
        if before.name == wanted.name:
            return f"{release} in a new process {where}"
        if before.release == wanted.release:
            return f"{release} with another configuration {where}"
        return f"{before.release.rsplit('/', 1)[-1]} -> {release} {where}"

    def _notes(self, decision: Decision, seen: HostState) -> tuple[str, ...]:
        """What is to be said of the slot that goes on to serve."""
        if decision.move is not Move.KEEP or decision.slot not in self.stale(seen):
            return ()
        gone = old_code.files(old_code.found(seen)[self.unit.format(decision.slot)])
        fact = f"slot {decision.slot} runs old code ({gone} was replaced since it started)"
        if self.refresh is Refresh.EMPTY:
            return (f"{fact}; a deploy after a drain gives it a new process: no slot is empty",)
        return (f"{fact}; deploy with --data refresh=yes: a new process takes over, calls go on",)

    def _prune(self, wanted: Generation, slots: Mapping[str, Slot], seen: HostState) -> list[Action]:
        """Remove generations and releases that nothing refers to, but for the last few that served."""
        if any(s.state is not State.EMPTY and not s.generation for s in slots.values()):
            return []  # a process whose generation cannot be read may refer to any
        records = self.history.records(seen)
        used = {wanted.name, *(s.generation for s in slots.values())}
        spare = sorted((r for r in records.values() if r.name not in used), key=lambda r: -r.served)
        gone = {r.name for r in spare[KEPT:]}
        kept = {r.release for r in records.values() if r.name not in gone} | {wanted.release}
        old = [r for r in seen.answers[f"{self.component}.releases"] if r not in kept and not r.endswith(".lkm-new")]
        paths = [*(f"{self.root}/{name}" for name in gone), *(f"{self.root}/served/{name}" for name in gone), *old]
        if not paths:
            return []
        return [
            Action(f"prune {len(gone)} generations, {len(old)} releases", lambda h: run(h, 'rm -rf -- "$@"', *paths))
        ]


def drains(names: tuple[str, ...]) -> str:
    """ "slot a drains", "slots a and b drain", or nothing."""
    if not names:
        return ""
    return f"slot {names[0]} drains" if len(names) == 1 else f"slots {' and '.join(names)} drain"
