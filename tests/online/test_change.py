"""A change under a running call: the promise that stands above the rest, and what status says of it meanwhile."""

from __future__ import annotations

import asyncio
import calendar
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.report import Report
from tests.support.calls.background_call import talking, unnoticed
from tests.support.calls.slots import Slot, ended, pinned, serving
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import Lab, lab, over_ssh
from tests.support.hosts.status import status, until

SERVING = [name for name, host in lab().site.hosts.items() if "livekit" in host.roles]
FIRST = SERVING[0]


@dataclass(frozen=True)
class Seen:
    """A change of every host, under a call on the first."""

    old: Slot
    new: dict[str, Slot]
    began: int  # Unix time, as ``over``
    over: int
    room: str  # node that holds the call's room after the change
    state: str  # of the old slot's unit after it
    pinned: str  # node of a room that was put on the new slot
    anywhere: str  # node of a room that nobody put anywhere
    reports: tuple[Report, Report]
    before: dict[str, Any]  # status of the old slot
    drains: dict[str, Any]  # the same after the change
    serves: dict[str, Any]  # status of the new slot
    empty: dict[str, Any]  # of the old one when the call had ended
    text: str  # all of status, after the change


@pytest.fixture(scope="module")
def seen(access: Access, control: Access, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    old = serving(lab.site, FIRST)
    changed = variant(tmp_path_factory.mktemp("change"), {"livekit": {"room": {"empty_timeout": 301}}})
    with talking(access, control, old.node, FIRST) as talk:
        assert talk.where() == old.node
        before, began = until(FIRST, slot_of(old), people(1, 2)), int(time.time())
        told = deploy(changed)
        assert told.status == 0, told.text
        over, new = int(time.time()), {name: serving(lab.site, name) for name in SERVING}
        found = {
            "drains": until(FIRST, slot_of(old), people(1, 2)),
            "serves": until(FIRST, slot_of(new[FIRST]), people(0, 0)),
            "text": status().text,
            "pinned": asyncio.run(_node(asyncio.run(pinned(access, new[FIRST].node, FIRST)))),
            "anywhere": asyncio.run(_node(Call(access))),
            "room": talk.where(),
            "state": over_ssh(FIRST).run(f"systemctl is-active {old.unit}").stdout.strip(),
            "reports": talk.stop(),
        }
    ended(FIRST, old.unit)
    empty = until(FIRST, slot_of(old), lambda said: said["state"] == "empty")
    return Seen(old=old, new=new, began=began, over=over, before=before, empty=empty, **found)


async def _node(call: Call) -> str:
    """Where a call's room is."""
    async with call:
        return (await call.where()).id


def slot_of(slot: Slot) -> str:
    return slot.unit.partition("@")[2].removesuffix(".service")


def people(rooms: int, participants: int) -> Callable[[dict[str, Any]], bool]:
    return lambda found: (found["rooms"], found["participants"]) == (rooms, participants)


def seconds(moment: str) -> int:
    return calendar.timegm(time.strptime(moment, "%Y-%m-%d %H:%M:%SZ"))


def test_a_change_under_a_call_drops_nothing(seen: Seen) -> None:
    assert seen.new[FIRST].unit != seen.old.unit
    assert seen.pinned == seen.new[FIRST].node
    assert seen.anywhere in {slot.node for slot in seen.new.values()}
    assert seen.room == seen.old.node, "the call is where it was"
    assert seen.state == "deactivating", "the call holds its slot"
    unnoticed(*seen.reports)


def test_status_counts_a_call_where_it_is_before_and_after_a_change(seen: Seen, lab: Lab) -> None:
    assert (seen.before["state"], seen.before["unjoined"]) == ("active", [])
    assert seen.before["websockets"] == 2
    assert seen.before["since"] is seen.before["deadline"] is None

    assert seen.drains["state"] == "draining"
    assert [seen.drains[what] for what in ("generation", "release")] == [
        seen.before[what] for what in ("generation", "release")
    ]
    assert seen.began <= seconds(seen.drains["since"]) <= seen.over
    assert seconds(seen.drains["deadline"]) - seconds(seen.drains["since"]) == lab.site.livekit.drain.deadline
    assert seen.serves["state"] == "active"
    assert f"go to slot {slot_of(seen.new[FIRST])}\n" in seen.text
    assert "drains since" in seen.text
    assert (seen.empty["since"], seen.empty["rooms"]) == (None, None)
