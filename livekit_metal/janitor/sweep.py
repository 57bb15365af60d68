"""Find the rooms that have no node, and have live nodes take them over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import TypeVar

from livekit.api import LiveKitAPI, ServerError
from livekit.protocol.models import Room
from livekit.protocol.room import CreateRoomRequest, ListRoomsRequest

from livekit_metal.call.errors import redacted
from livekit_metal.janitor import stateless
from livekit_metal.janitor.report import Lost, Report

AT_ONCE = 100  # requests; a room without a node costs 3 s of waiting (the server's psrpc.timeout) and nothing else
PATIENCE = 15.0  # s between two questions; a node that was only slow or cut off for a moment keeps its rooms
NODE_LASTS = 6.0  # s; a dead node counts as available for 5 (pkg/routing/selector/utils.go) and would be asked again
ENDS = 15.0  # s for rooms past their time to end; their node looks every second
# What a room's topic on the message bus answers when nobody holds the room, or not any more.
_NOBODY = frozenset({"unavailable", "deadline_exceeded", "not_found"})

T = TypeVar("T")


async def sweep(
    api: LiveKitAPI, *, patience: float = PATIENCE, dry: bool = False, say: Callable[[str], None] = lambda line: None
) -> Report:
    """Find the rooms that have no node; unless ``dry``, have live nodes take them over and end them.

    A room counts as lost when nobody answers for it twice, ``patience`` seconds apart. Raises what the API client
    raises when the API itself fails: nothing was decided then, and it can be run again.
    """
    rooms, ingresses = await _listed(api), await stateless.found(api, min(patience, stateless.WRITTEN))
    silent = await _silent(api, rooms)
    if not silent:
        return Report(rooms=len(rooms), lost=(), ingresses=ingresses)
    say(f"{len(silent)} of {len(rooms)} rooms do not answer; asking them again in {patience:g} s")
    await asyncio.sleep(patience)
    there = await _listed(api, silent)
    lost = {name: Lost.of(there[name]) for name in sorted(await _silent(api, there))}
    if lost and not dry:
        say(f"{len(lost)} have lost their node; having live nodes take them over")
        lost = await _touched(api, lost)
    return Report(rooms=len(rooms), lost=tuple(lost.values()), ingresses=ingresses)


async def _listed(api: LiveKitAPI, names: Collection[str] = ()) -> dict[str, Room]:
    """What Redis has of the rooms called ``names``; of all rooms without a name."""
    return {room.name: room for room in (await api.room.list_rooms(ListRoomsRequest(names=names))).rooms}


async def _silent(api: LiveKitAPI, names: Collection[str]) -> set[str]:
    """Those of the rooms that no node holds.

    ListDispatch is answered by the room itself, from memory, in milliseconds, and changes nothing. ListParticipants
    would say nothing: it is read from Redis.
    """

    async def silent(name: str) -> bool:
        try:
            await api.agent_dispatch.list_dispatch(name)
        except ServerError as error:
            if error.code not in _NOBODY:
                raise
            return True
        return False

    return {name for name, no in zip(names, await _at_once(silent, names), strict=True) if no}


async def _touched(api: LiveKitAPI, lost: dict[str, Lost]) -> dict[str, Lost]:
    """Have a live node take over each of the rooms, and await the end of those that are due."""

    async def touch(name: str) -> str:
        try:  # without any setting: it would be applied to a room that is built again
            await api.room.create_room(CreateRoomRequest(name=name))
        except ServerError as error:
            return redacted(f"{error.message} ({error.code})")
        return ""

    said = dict(zip(lost, await _at_once(touch, lost), strict=True))
    there, end = await _listed(api, lost), time.monotonic() + ENDS
    while any(_due(room) and not said[name] for name, room in there.items()) and time.monotonic() < end:
        await asyncio.sleep(0.5)
        there = await _listed(api, there)
    silent = await _silent(api, there)
    return {name: judged(was, there.get(name), said[name], name in silent) for name, was in lost.items()}


def judged(was: Lost, room: Room | None, said: str, silent: bool) -> Lost:
    """What became of a room: ``room`` is what Redis has now, ``said`` why it could not be taken over."""
    if room is None:
        return replace(was, outcome="ended")
    if silent:
        return replace(was, outcome="failed", detail=said or "no node answers for it")
    until = None if room.num_participants or _due(room) else room.creation_time + room.empty_timeout
    return replace(was, outcome="lives", people=room.num_participants, until=until)


def _due(room: Room) -> bool:
    return not room.num_participants and room.creation_time + room.empty_timeout <= time.time()


async def _at_once(doing: Callable[[str], Awaitable[T]], names: Collection[str]) -> list[T]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> T:
        async with gate:
            return await doing(name)

    return await asyncio.gather(*map(one, names))
