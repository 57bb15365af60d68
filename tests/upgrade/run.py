"""One row: a call pinned to the slot of the first host, a control call beside it, and the change under both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

from livekit.protocol.room import ListParticipantsRequest

from procedures.call import Access, Call, CallError, Ice, Report, room_service, where
from tests.deploys import Told
from tests.lab import ROOT, over_ssh
from tests.slots import Slot, ended, pinned, serving
from tests.upgrade import judge
from tests.upgrade.ground import Ground, GroundError, tail
from tests.upgrade.judge import Outcome
from tests.upgrade.rows import Row

# What ends a row early, but not the table: it is what the row says.
_FAULTS = (AssertionError, CallError, GroundError, OSError, RuntimeError, ValueError)


def say(text: str) -> None:
    print(text, flush=True)


def row(ground: Ground, row: Row, control: Access, seconds: float) -> Outcome:
    """Take a call through a row. What it changed stays until ``row.back``."""
    hosts = f"{ground.hosts} to {row.grows_to}" if row.grows_to else str(ground.hosts)
    if row.needs and not (ROOT / row.needs).exists():
        return Outcome(change=row.change, hosts=hosts, skipped=f"{row.needs} is not there yet")
    say(f"--> {row.change}, {hosts} host(s)")
    measured = _Row(ground, row, control, seconds)
    try:
        if before := row.before():
            measured.expect(ground.deploy(before))
            ground.drained()
        asyncio.run(measured.under_a_call())
    except _FAULTS as error:
        measured.problems.append(str(error))
    outcome = measured.outcome(hosts)
    if outcome.failed:
        say(measured.why(outcome))
    return outcome


class _Row:
    """What is known of a row while it runs."""

    def __init__(self, ground: Ground, row: Row, control: Access, seconds: float) -> None:
        self._ground, self._row, self._control, self._seconds = ground, row, control, seconds
        self.problems: list[str] = []
        self._told = Told(0, "")
        self._reports: list[Report] = []

    def expect(self, told: Told) -> None:
        self._told = told
        assert told.status == 0, f"it ended with status {told.status}"

    async def under_a_call(self) -> None:
        ground, row = self._ground, self._row
        old, entry = serving(ground.site, ground.first), ground.names[row.through]
        ice = Ice(relayed=row.relayed)
        entered, shown = serving(ground.site, entry), ground.on_first(row.shows).text
        # the control begins first and ends last: it hears all that the machine does to the call
        async with Call(self._control) as control, await pinned(ground.access, old.node, entry, ice) as call:
            try:
                await self._change(call, old, shown)
                if row.resume and _state(entry, entered.unit) != "inactive":
                    self.problems.append(f"{entered.unit} of {entry} has not ended: nothing forced a resume")
            except _FAULTS as error:
                self.problems.append(str(error))
            self._reports += [await call.stop(), await control.stop()]
        seconds = 0 if self.problems else self._seconds  # what has failed already need not last
        self.problems += judge.problems(*self._reports, seconds=seconds, resume=row.resume)
        if row.new_slot and not self.problems:
            ended(ground.first, old.unit)

    async def _change(self, call: Call, old: Slot, shown: str) -> None:
        """Make the change, see what came of it, and let the call have its time."""
        ground, row = self._ground, self._row
        end = time.monotonic() + self._seconds
        people = await _people(ground.access, call.room)
        self.expect(await asyncio.to_thread(row.do, ground))
        if ground.on_first(row.shows).text == shown:
            self.problems.append(f"nothing was changed: the first host still shows {shown.strip()!r}")
        self.problems += [problem async for problem in self._serves(call.room, old)]
        await asyncio.sleep(max(0.0, end - time.monotonic()))
        now = await _people(ground.access, call.room)
        gone = [who for who, sid in people.items() if now.get(who) != sid]
        self.problems += [f"{who} is not who it was: it has joined again or is gone" for who in gone]

    async def _serves(self, room: str, old: Slot) -> AsyncIterator[str]:
        """Yield what is wrong with the site after the change, while the call goes on."""
        ground, row = self._ground, self._row
        now = {name: serving(ground.site, name) for name in ground.names}
        moved = now[ground.first].node != old.node
        if moved != row.new_slot:
            yield f"the slot that serves is {now[ground.first]}, after {old}"
        if row.new_slot and (state := _state(ground.first, old.unit)) != "deactivating":
            yield f"{old.unit} is {state}: the call does not hold its slot"
        if (node := (await where(ground.access, room, ground.first)).id) != old.node:
            yield f"the room is on {node}, not where it was ({old.node})"
        for name in ground.names:
            node = (await where(ground.access, f"new-{uuid4().hex[:12]}", name)).id
            if node not in {slot.node for slot in now.values()}:
                yield f"a new room through {name} is on {node}, which does not serve"

    def outcome(self, hosts: str) -> Outcome:
        call, control = self._reports or (None, None)
        return Outcome(
            change=self._row.change,
            hosts=hosts,
            call=call,
            control=control,
            activation={host: s for host, (_, s) in judge.activations(self._told.text).items() if s},
            problems=tuple(self.problems),
        )

    def why(self, outcome: Outcome) -> str:
        """Everything that tells why a row failed."""
        lines = [f"FAILED {problem}" for problem in outcome.problems]
        for name, report in (("the call", outcome.call), ("the control", outcome.control)):
            lines += [f"{name}:", *(f"    {line}" for line in report.table().splitlines())] if report else []
        if self._told.text:
            lines += ["the change said:", tail(self._told.text)]
        return "\n".join(lines)


async def _people(access: Access, room: str) -> dict[str, str]:
    """Who is in the room, with the id that a participant has from joining to leaving."""
    async with room_service(access) as rooms:
        found = await rooms.list_participants(ListParticipantsRequest(room=room))
    people = {who.identity: who.sid for who in found.participants}
    return {who: sid for who, sid in people.items() if who.startswith(("publisher-", "subscriber-"))}


def _state(name: str, unit: str) -> str:
    said: str = over_ssh(name).run(f"systemctl is-active {unit}").stdout.strip()
    return said
