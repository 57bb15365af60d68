"""One row: calls pinned to the slot of the first host, a control call beside them, and the change under all."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

from livekit.protocol.room import ListParticipantsRequest

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.call.forced_path import Path
from livekit_metal.call.join_info import where
from livekit_metal.call.server import room_service
from tests.support.calls.slots import Slot, ended, room_on, serving
from tests.support.hosts.deploys import Told
from tests.support.hosts.lab import ROOT, over_ssh
from tests.upgrade import judge
from tests.upgrade.client import Client
from tests.upgrade.ground import Ground, GroundError, tail
from tests.upgrade.judge import Outcome
from tests.upgrade.report import WholeReport
from tests.upgrade.rows import Row

# What ends a row early, but not the table: it is what the row says.
_FAULTS = (AssertionError, CallError, GroundError, OSError, RuntimeError, ValueError)


def say(text: str) -> None:
    print(text, flush=True)


def row(ground: Ground, row: Row, control: Access, seconds: float) -> list[Outcome]:
    """Take a row's calls through it: an outcome each. What it changed stays until ``row.back``."""
    hosts = f"{ground.hosts} to {row.grows_to}" if row.grows_to else str(ground.hosts)
    if row.needs and not (ROOT / row.needs).exists():
        return [Outcome(change=row.change, hosts=hosts, skipped=f"{row.needs} is not there yet")]
    say(f"--> {row.change}, {hosts} host(s)")
    measured = _Row(ground, row, control, seconds)
    try:
        if before := row.before():
            measured.expect(ground.deploy(before))
            ground.drained()
        asyncio.run(measured.under_calls())
    except _FAULTS as error:
        measured.problems.append(str(error))
    outcomes = measured.outcomes(hosts)
    if any(outcome.failed for outcome in outcomes):
        say(measured.why(outcomes))
    return outcomes


class _Row:
    """What is known of a row while it runs."""

    def __init__(self, ground: Ground, row: Row, control: Access, seconds: float) -> None:
        self._ground, self._row, self._control, self._seconds = ground, row, control, seconds
        self.problems: list[str] = []  # of the row, whatever its calls say
        self._told = Told(0, "")
        self._heard: dict[Path | None, WholeReport] = {}
        self._machine: WholeReport | None = None  # the control call

    def expect(self, told: Told) -> None:
        self._told = told
        assert told.status == 0, f"it ended with status {told.status}"

    async def under_calls(self) -> None:
        ground, row = self._ground, self._row
        old, entry = serving(ground.site, ground.first), ground.names[row.through]
        held = {entry: serving(ground.site, entry), ground.first: old}  # by the calls, until they end
        shown = ground.on_first(row.shows).text
        # the control begins first and ends last: it hears all that the machine does to the calls, and so it is forced
        # as they are, by a relay in this process
        alike: Path | None = "udp" if any(row.paths) else None
        async with Client(self._control, path=alike) as control, contextlib.AsyncExitStack() as up:
            calls = {
                path: await up.enter_async_context(await self._pinned(old.node, entry, path)) for path in row.paths
            }
            try:
                await self._change([call.room for call in calls.values()], held, shown)
            except _FAULTS as error:
                self.problems.append(str(error))
            for path, call in calls.items():
                self._heard[path] = await call.stop()
            self._machine = await control.stop()
        if row.new_slot and not self.problems:
            for name, slot in held.items():
                ended(name, slot.unit)

    async def _pinned(self, node: str, through: str, path: Path | None) -> Client:
        access = self._ground.access
        return Client(access, await room_on(access, node), path, through)

    async def _change(self, rooms: list[str], held: Mapping[str, Slot], shown: str) -> None:
        """Make the change, see what came of it, and let the calls have their time."""
        ground, row = self._ground, self._row
        end = time.monotonic() + self._seconds
        people = await _people(ground.access, rooms)
        self.expect(await asyncio.to_thread(row.do, ground, row.after(ground.base)))
        if ground.on_first(row.shows).text == shown:
            self.problems.append(f"nothing was changed: the first host still shows {shown.strip()!r}")
        self.problems += [problem async for problem in self._serves(rooms, held)]
        await asyncio.sleep(max(0.0, end - time.monotonic()))
        now = await _people(ground.access, rooms)
        gone = [who for who, sid in people.items() if now.get(who) != sid]
        self.problems += [f"{who} is not who it was: it has joined again or is gone" for who in gone]

    async def _serves(self, rooms: list[str], held: Mapping[str, Slot]) -> AsyncIterator[str]:
        """Yield what is wrong with the site after the change, while the call goes on."""
        ground, row, old = self._ground, self._row, held[self._ground.first]
        now = {name: serving(ground.site, name) for name in ground.names}
        moved = now[ground.first].node != old.node
        if moved != row.new_slot:
            yield f"the slot that serves is {now[ground.first]}, after {old}"
        for name, slot in held.items():
            if row.new_slot and (state := _state(name, slot.unit)) != "deactivating":
                yield f"{slot.unit} of {name} is {state}: the call, or its signalling, does not hold its slot"
        for room in rooms:
            if (node := (await where(ground.access, room, ground.first)).id) != old.node:
                yield f"the room {room} is on {node}, not where it was ({old.node})"
        for name in ground.names:
            node = (await where(ground.access, f"new-{uuid4().hex[:12]}", name)).id
            if node not in {slot.node for slot in now.values()}:
                yield f"a new room through {name} is on {node}, which does not serve"

    def outcomes(self, hosts: str) -> list[Outcome]:
        row, control, seconds = self._row, self._machine, self._seconds
        activation = {host: s for host, (_, s) in judge.activations(self._told.text).items() if s}
        outcomes = []
        for path in row.paths:
            call = self._heard.get(path)
            problems = list(self.problems)
            if call and control:  # what has failed already need not last
                problems += judge.problems(call, control, seconds=0 if problems else seconds)
            outcomes.append(
                Outcome(
                    change=row.change,
                    hosts=hosts,
                    path=path or "any way",
                    call=call,
                    control=control,
                    activation=activation,
                    problems=tuple(problems),
                )
            )
        return outcomes

    def why(self, outcomes: list[Outcome]) -> str:
        """Everything that tells why a row failed."""
        lines = []
        for outcome in outcomes:
            lines += [f"FAILED ({outcome.path}) {problem}" for problem in outcome.problems]
            lines += _shown(f"the call ({outcome.path})", outcome.call)
        lines += _shown("the control", self._machine)
        if self._told.text:
            lines += ["the change said:", tail(self._told.text)]
        return "\n".join(lines)


def _shown(name: str, report: WholeReport | None) -> list[str]:
    return [f"{name}:", *(f"    {line}" for line in report.table().splitlines())] if report else []


async def _people(access: Access, rooms: list[str]) -> dict[str, str]:
    """Who is in the rooms, with the id that a participant has from joining to leaving."""
    people: dict[str, str] = {}
    async with room_service(access) as service:
        for room in rooms:
            found = await service.list_participants(ListParticipantsRequest(room=room))
            people |= {who.identity: who.sid for who in found.participants}
    return {who: sid for who, sid in people.items() if who.startswith(("publisher-", "subscriber-"))}


def _state(name: str, unit: str) -> str:
    said: str = over_ssh(name).run(f"systemctl is-active {unit}").stdout.strip()
    return said
