"""An agent worker as a slot of livekit-server sees it: registered over a WebSocket that has no end of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from livekit import api
from livekit.protocol.agent import (
    JT_ROOM,
    AvailabilityResponse,
    JobAssignment,
    RegisterWorkerRequest,
    ServerMessage,
    WorkerMessage,
)

from livekit_metal.call.access import Access
from livekit_metal.call.background import Aside
from livekit_metal.call.participants import EventLog, Ice, Publisher
from livekit_metal.call.server import session
from livekit_metal.call.tone import tone

_NAME = "livekit-metal-test"  # a worker with a name is sent to no room unless somebody asks for it


@contextlib.asynccontextmanager
async def registered(access: Access, url: str, name: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """The connection of a worker that livekit-server has taken."""
    token = api.AccessToken(access.api_key, access.api_secret).with_grants(api.VideoGrants(agent=True))
    bearer = {"Authorization": f"Bearer {token.to_jwt()}"}
    async with session(access) as requests, requests.ws_connect(f"{url}/agent", headers=bearer) as socket:
        asked = WorkerMessage(register=RegisterWorkerRequest(type=JT_ROOM, agent_name=name, version="1"))
        await socket.send_bytes(asked.SerializeToString())
        answer = ServerMessage.FromString(await socket.receive_bytes())
        assert answer.WhichOneof("message") == "register", answer
        yield socket


class Worker(Aside[bool]):
    """``async with Worker(access, host)`` has one registered; its result: whether the server cut it."""

    def __init__(self, access: Access, through: str) -> None:
        self._access, self._url = access, access.through(through)
        super().__init__("agent worker")

    async def _session(self) -> bool:
        async with registered(self._access, self._url, _NAME) as socket:
            self._up.set_result(None)
            stopped = asyncio.wrap_future(self._stop)
            cut = asyncio.create_task(self._cut(socket))
            await asyncio.wait((stopped, cut), return_when=asyncio.FIRST_COMPLETED)
            if cut.done():
                return True
            cut.cancel()
            return False

    async def _cut(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Return when the server has ended the connection."""
        while (await socket.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            pass


@dataclass(frozen=True)
class Job:
    """What an agent was sent for."""

    room: str
    metadata: str


class Agent:
    """The smallest agent there is: it takes every job for its name, joins the room and sounds a tone.

    ``async with Agent(access, "reception") as agent: ...``; ``agent.jobs`` are those that it has begun.
    """

    def __init__(self, access: Access, name: str) -> None:
        self._access, self._name = access, name
        self.jobs: list[Job] = []
        self._event_log = EventLog()
        self._seats: list[Publisher] = []
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Agent:
        socket = await self._stack.enter_async_context(registered(self._access, self._access.url, self._name))
        listening = asyncio.create_task(self._listen(socket))
        self._stack.push_async_callback(self._end, listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _end(self, listening: asyncio.Task[None]) -> None:
        self._event_log.closed = True
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        for seat in self._seats:
            await seat.leave()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            said = ServerMessage.FromString(message.data)
            match said.WhichOneof("message"):
                case "availability":
                    job = said.availability.job.id
                    yes = AvailabilityResponse(job_id=job, available=True, participant_identity=f"agent-{job}")
                    await socket.send_bytes(WorkerMessage(availability=yes).SerializeToString())
                case "assignment":
                    await self._begin(said.assignment)

    async def _begin(self, assigned: JobAssignment) -> None:
        seat = Publisher(self._event_log, tone)
        self._seats.append(seat)
        await seat.join(self._access.url, assigned.token, Ice())
        await seat.publish(10)
        self.jobs.append(Job(assigned.job.room.name, assigned.job.metadata))
