"""Rooms as the API and Redis show them, and the janitor as an operator starts it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.api import ServerError
from livekit.protocol.models import Room
from livekit.protocol.room import DeleteRoomRequest, ListParticipantsRequest, ListRoomsRequest

from livekit_metal.call.access import Access
from livekit_metal.call.server import room_service, server_api
from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.site.model import Site
from tests.support.hosts.lab import ROOT, Lab, over_ssh

CLIENT = '"$(command -v redis-cli || command -v valkey-cli)"'  # each talks to either server
REDIS = f"REDISCLI_AUTH=%s {CLIENT} " + "-e -h {} -p {} --user {} {}"


async def until(what: str, true: Callable[[], Awaitable[object]], within: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within
    while not await true():
        assert time.monotonic() < end, f"not within {within:.0f} s: {what}"
        await asyncio.sleep(0.2)


async def listed(access: Access) -> dict[str, Room]:
    """The rooms that ListRooms shows, by name."""
    async with room_service(access) as rooms:
        return {room.name: room for room in (await rooms.list_rooms(ListRoomsRequest())).rooms}


async def deleted(access: Access, room: str) -> bool:
    """Whether DeleteRoom does what it says."""
    async with room_service(access) as rooms:
        try:
            await rooms.delete_room(DeleteRoomRequest(room=room))
        except ServerError:
            return False
    return room not in await listed(access)


async def held(access: Access, room: str) -> bool:
    """Whether a node holds the room: it answers for itself."""
    async with server_api(access) as api:
        try:
            await api.agent_dispatch.list_dispatch(room)
        except ServerError:
            return False
    return True


async def sessions(access: Access, room: str) -> set[str]:
    """Ids of the sessions in a room that others see; whoever rejoins gets a new one."""
    async with room_service(access) as rooms:
        found = await rooms.list_participants(ListParticipantsRequest(room=room))
    return {each.sid for each in found.participants if not each.permission.hidden}


def redis(site: Site, words: str) -> str:
    """What the site's Redis answers, asked on its host."""
    (name,) = site.with_role("redis")
    settings = site.for_host(name).the(Redis)
    ask = REDIS.format(settings.host, settings.port, settings.user, words)
    said: str = over_ssh(name).check_output(ask, settings.passwords[0].reveal())
    return said


def given_a_state(site: Site, ingress: str) -> None:
    """Do what docs/operations/troubleshooting.md says for an ingress without a state."""
    redis(site, f"set '{{ingress}}_state:{ingress}' '' nx")


class Janitor:
    """``python -m livekit_metal.janitor``, running."""

    def __init__(self, lab: Lab, *words: str) -> None:
        command = [
            sys.executable,
            "-m",
            "livekit_metal.janitor",
            "--access",
            str(lab.directory / "access.json"),
            *words,
        ]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._lines = self._process.stdout

    def line(self) -> str:
        return self._lines.readline()

    def end(self) -> tuple[int, str]:
        """Its exit status, and what it still had to say."""
        said = self._lines.read()
        return self._process.wait(timeout=60), said


def swept(lab: Lab) -> dict[str, Any]:
    """What it says it did, room -> facts; there must be nothing left to do."""
    status, said = Janitor(lab, "--json").end()
    told = json.loads(said)
    assert (status, told["ok"]) == (0, True), said
    return {lost["room"]: lost for lost in told["lost"]}
