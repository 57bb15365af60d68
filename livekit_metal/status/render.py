"""How procedures/status.py shows what it has read: blocks of text, one per host, or one JSON object."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from livekit_metal.core.printable import printable
from livekit_metal.roles.livekit.occupancy import Occupancy as People
from livekit_metal.runtime.run import lock
from livekit_metal.runtime.run.read_only import Unreachable
from livekit_metal.runtime.slots.occupancy import Occupancy, Sessions, State
from livekit_metal.status.facts import Overview

COLUMNS = ("slot", "state", "generation", "release")
_PEOPLE = ("rooms", "participants", "WebSockets")  # on a slot of livekit-server
_NAMELESS = "has no process that says its generation: it is being started again, or is not ours"
_NAMED = 20  # rooms; the JSON has them all
_COLOURS = {State.ACTIVE: "green", State.DRAINING: "yellow", State.PROVING: "cyan"}


def as_json(found: Mapping[str, Any], now: float) -> str:
    """{"time", "hosts": {name: an Overview, or {"error": why}}}; times are UTC, unknown is null."""

    def host(one: Any) -> dict[str, Any]:
        if isinstance(one, Unreachable):
            return {"error": one.why}
        said = dataclasses.asdict(one)
        for slots in (said["slots"], *(service["slots"] for service in said["services"].values())):
            for slot in slots.values():
                slot |= {key: slot[key] and _moment(slot[key]) for key in ("since", "deadline")}
        return said

    return json.dumps({"time": _moment(now), "hosts": {name: host(one) for name, one in found.items()}})


def table(found: Mapping[str, Any], now: float) -> list[str]:
    """The lines of all hosts; ``now`` in Unix seconds."""
    lines = []
    for name, one in found.items():
        block = _unread(one) if isinstance(one, Unreachable) else list(_block(one, now))
        lines += ["", click.style(name, bold=True), *(f"    {line}" for line in block)]
    return lines


def _unread(one: Unreachable) -> list[str]:
    return [click.style(line, fg="red") for line in one.why.splitlines() or ["it said nothing"]]


@dataclass(frozen=True, slots=True)
class SlotTable:
    """The slots of a daemon: each with a number for every column of ``counted``, and remarks."""

    name: str
    counted: tuple[str, ...]
    rows: Sequence[tuple[Occupancy, Sequence[int | None], Sequence[str]]]
    label: str  # what ``serving`` is about
    serving: str


def tables(one: Overview, now: float) -> Iterator[SlotTable]:
    """Those in slots of a host, livekit-server first. Texts are harmless, and coloured."""
    if one.slots:
        rows = [(s, (s.rooms, s.participants, s.websockets), [*_remarks(s, now)]) for s in one.slots.values()]
        yield SlotTable("livekit", _PEOPLE, rows, "new sessions", _serving(one, one.serving, one.slots))
    for role, service in one.services.items():
        found = [(s, (s.sessions,), [*_silent(role, s, now)]) for s in service.slots.values()]
        yield SlotTable(role, (service.noun,), found, "new ones", _serving(one, service.serving, service.slots))


def labelled(one: Overview) -> Iterator[tuple[str, Sequence[str]]]:
    """What is said of a host beside its slots: a word, and lines that are harmless; none is "none"."""
    if one.media:
        yield "media", [plain(one.media)]
    yield "deploy lock", ["free" if one.lock is None else f"held by {plain(lock.words(one.lock))}"]
    yield "old code", [f"{plain(unit)}: {plain(old.words)}; {old.remedy}" for unit, old in one.old_code.items()]
    yield "maintenance", ["no" if one.maintenance is None else _record(one.maintenance, "since")]
    for line in one.lines:
        yield _label(line)
    if one.certificate:
        yield "certificate", [plain(one.certificate)]
    if one.watches:
        yield "alerts", _alerts(one)
    yield "rejected", [f"{plain(g)}: {_record(why, 'when')}" for g, why in one.rejected.items()]
    yield "last changes", [_change(change) for change in one.changes]


def _alerts(one: Overview) -> Sequence[str]:
    if one.alerts is None:
        return [click.style("not known: Prometheus does not answer, and nobody is told of anything", fg="red")]
    return [f"{each.name} since {each.since}: {plain(each.summary)}; {plain(each.command)}" for each in one.alerts]


def _block(one: Overview, now: float) -> Iterator[str]:
    for each in tables(one, now):
        yield from [] if each.name == "livekit" else ["", each.name]
        yield from _slots(each)
        yield from _labelled(each.label, [each.serving])
    if one.services:
        yield ""
    for label, lines in labelled(one):
        yield from _labelled(label, lines)


def _label(line: str) -> tuple[str, list[str]]:
    """ "label: text" in two."""
    label, _, text = line.partition(": ")
    return plain(label), [plain(text)]


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines or ["none"]):
        yield f"{'' if number else label:14}{line}"


def _serving(one: Overview, serving: str, slots: Mapping[str, Occupancy]) -> str:
    if not serving:
        return "go to other hosts" if one.maintenance is not None else "go to no slot: nothing was deployed yet"
    state = slots[serving].state if serving in slots else State.EMPTY
    said = f"go to slot {serving}"
    return said if state is State.ACTIVE else click.style(f"{said}, which is {state}; a deploy mends it", fg="red")


def _slots(table: SlotTable) -> Iterator[str]:
    """A table of slots, with remarks below each."""
    columns = (*COLUMNS, *table.counted)
    rows = [_row(slot, counts) for slot, counts, _ in table.rows]
    widths = [max(len(row[i]) for row in (columns, *rows) if i < len(row)) for i in range(len(columns))]

    def line(row: Sequence[str]) -> list[str]:
        numbers = len(COLUMNS)
        padded = [f"{c:{w}}" if i < numbers else f"{c:>{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=False))]
        return [*padded[:-1], padded[-1].rstrip()]

    yield "  ".join(line(columns))
    for (slot, _, remarks), row in zip(table.rows, rows, strict=True):
        name, state, *rest = line(row)
        yield "  ".join([name, click.style(state, fg=_COLOURS.get(slot.state)), *rest])
        yield from (f"{'':{widths[0]}}  {remark}" for remark in remarks)


def _row(slot: Occupancy, counts: Sequence[int | None]) -> tuple[str, ...]:
    if slot.state is State.EMPTY:
        return (slot.slot, slot.state)
    numbers = ("?" if n is None else str(n) for n in counts)
    return (slot.slot, slot.state, plain(slot.generation or "?"), plain(slot.release or "?"), *numbers)


def _drains(slot: Occupancy, now: float) -> Iterator[str]:
    if slot.since is not None:
        killed = "never killed" if slot.deadline is None else f"killed at {_moment(slot.deadline)}"
        left = "" if slot.deadline is None else f", {_span(slot.deadline - now)}"
        yield f"drains since {_moment(slot.since)}; {killed}{left}"


def _silent(role: str, slot: Sessions, now: float) -> Iterator[str]:
    """What does not go into a column, of any daemon's slot."""
    yield from _drains(slot, now)
    if slot.state is State.EMPTY:
        return
    if not slot.generation:
        yield _NAMELESS
    elif slot.sessions is None:
        yield click.style(f"does not answer: journalctl -u livekit-{role}@{slot.slot}", fg="red")


def _remarks(slot: People, now: float) -> Iterator[str]:
    """What does not go into a column, of a slot of livekit-server."""
    yield from _drains(slot, now)
    if slot.unjoined:
        names, more = slot.unjoined[:_NAMED], len(slot.unjoined) - _NAMED
        yield f"rooms that nobody is in: {', '.join(map(plain, names))}" + (f" and {more} more" if more > 0 else "")
    if slot.state is State.EMPTY:
        return
    if not slot.generation:
        yield _NAMELESS
    elif slot.websockets is None:
        yield "its generation does not say its ports: it is of an earlier livekit-metal"
    elif slot.rooms is None:
        yield click.style(f"does not answer: journalctl -u livekit-server@{slot.slot}", fg="red")
    elif slot.passes_on:
        yield "no room is on it: it still passes on signalling of rooms elsewhere, whose clients would have to resume"
    elif slot.unjoined is None:
        yield "rooms that nobody is in: unknown, it has no debug port or does not answer there"


def _record(record: Mapping[str, Any], time_key: str) -> str:
    """A marker: who, since when, why."""
    if "unreadable" in record:
        return f"unreadable: {plain(str(record['unreadable']))}"
    return plain(f"{record.get(time_key)} by {record.get('who')}: {record.get('why')}")


def _change(line: Mapping[str, Any]) -> str:
    if "unreadable" in line:
        return f"unreadable: {plain(str(line['unreadable']))}"
    when, who, procedure, role, what, result = (
        line.get(k) for k in ("when", "who", "procedure", "role", "what", "result")
    )
    return plain(f"{when} {who} {procedure}: {role} {what}: {result}")


def plain(text: str) -> str:
    """Text of others, harmless for a terminal; quoted where it would read as something else."""
    return text if text.strip() == text != "" and printable(text) == text else f"'{printable(text)}'"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def _span(seconds: float) -> str:
    """How far away a deadline is."""
    left = int(seconds)
    if left <= 0:
        return "overdue"
    hours, minutes = left // 3600, left % 3600 // 60
    return "in " + (f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{left} s")
