"""A call that goes on while a test breaks something else, beside a control call on a server that nothing touches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.join_info import where
from livekit_metal.call.report import MAY_MISS, Report
from tests.support.calls.slots import pinned
from tests.upgrade.judge import FACTOR, limit


@dataclass
class Talk:
    """A running call and its control; ``node`` is where its room is."""

    access: Access
    call: Call
    control: Call
    node: str

    def where(self) -> str:
        """The node that holds the room now."""
        return asyncio.run(where(self.access, self.call.room)).id

    def stop(self) -> tuple[Report, Report]:
        """End both, the control last: (the call's report, the control's)."""

        async def both() -> tuple[Report, Report]:
            return await self.call.stop(), await self.control.stop()

        return asyncio.run(both())

    def unnoticed(self) -> None:
        """Assert, at the end, that the call never noticed anything."""
        assert self.where() == self.node, "the call is where it was"
        unnoticed(*self.stop())


def unnoticed(report: Report, control: Report) -> None:
    """Assert that a call was told nothing, and missed no more than the machine is to blame for."""
    for who, each in (("call", report), ("control", control)):  # for pytest -rP
        print(f"{who}: largest gap {each.largest_gap_ms:.0f} ms, its client late by {each.late_ms:.0f} ms")
    said = f"{report.table()}\nthe control:\n{control.table()}"
    said += "".join(f"\nthe machine is too busy to tell: {problem}" for problem in control.problems())
    assert report.events == (), said  # no reconnection, no rejoin
    assert report.largest_gap_ms <= limit(control), said
    assert report.missed_s <= max(MAY_MISS, FACTOR * control.missed_s), said


@contextlib.contextmanager
def talking(access: Access, control: Access, node: str, through: str) -> Iterator[Talk]:
    """A call in a room on ``node`` whose clients enter through the host ``through``; it ends with the block."""

    async def begin() -> tuple[Call, Call]:
        other = Call(control)
        await other.__aenter__()  # first: it must hear what the call hears, its own beginning included
        try:
            call = await pinned(access, node, through)
            await call.__aenter__()
        except BaseException:
            await other.stop()
            raise
        return call, other

    talk = Talk(access, *asyncio.run(begin()), node)
    try:
        yield talk
    finally:
        with contextlib.suppress(Exception):
            talk.stop()


@dataclass
class Talks:
    """Running calls, by the host that their clients enter through, and one control for all of them."""

    calls: Mapping[str, Call]
    control: Call

    def stop(self) -> tuple[Mapping[str, Report], Report]:
        """End all, the control last: (the calls' reports, the control's)."""

        async def every() -> tuple[Mapping[str, Report], Report]:
            return {name: await call.stop() for name, call in self.calls.items()}, await self.control.stop()

        return asyncio.run(every())

    def unnoticed(self) -> None:
        """Assert, at the end, that none of them ever noticed anything."""
        reports, control = self.stop()
        for name, report in reports.items():
            print(f"{name}: ", end="")
            unnoticed(report, control)


@contextlib.contextmanager
def all_talking(access: Access, control: Access, nodes: Mapping[str, str]) -> Iterator[Talks]:
    """A call for each of ``nodes``: the host its clients enter through, and the node its room is on."""
    talks: dict[str, Call] = {}
    other = Call(control)

    async def begin() -> None:
        await other.__aenter__()  # first, as above
        for through, node in nodes.items():
            call = await pinned(access, node, through)
            await call.__aenter__()
            talks[through] = call

    try:
        asyncio.run(begin())
        yield Talks(talks, other)
    finally:
        for call in (*talks.values(), other):
            with contextlib.suppress(Exception):
                asyncio.run(call.stop())
