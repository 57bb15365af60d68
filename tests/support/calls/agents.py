"""An agent worker as a slot of livekit-server sees it: registered over a WebSocket that has no end of its own."""

from __future__ import annotations

import asyncio

import aiohttp
from livekit import api
from livekit.protocol.agent import JT_ROOM, RegisterWorkerRequest, ServerMessage, WorkerMessage

from livekit_metal.call.access import Access
from livekit_metal.call.background import Aside
from livekit_metal.call.server import session

_NAME = "livekit-metal-test"  # a worker with a name is sent to no room unless somebody asks for it


class Worker(Aside[bool]):
    """``async with Worker(access, host)`` has one registered; its result: whether the server cut it."""

    def __init__(self, access: Access, through: str) -> None:
        self._access, self._url = access, f"{access.through(through)}/agent"
        super().__init__("agent worker")

    async def _session(self) -> bool:
        token = api.AccessToken(self._access.api_key, self._access.api_secret).with_grants(api.VideoGrants(agent=True))
        bearer = {"Authorization": f"Bearer {token.to_jwt()}"}
        async with session(self._access) as requests, requests.ws_connect(self._url, headers=bearer) as socket:
            asked = WorkerMessage(register=RegisterWorkerRequest(type=JT_ROOM, agent_name=_NAME, version="1"))
            await socket.send_bytes(asked.SerializeToString())
            answer = ServerMessage.FromString(await socket.receive_bytes())
            assert answer.WhichOneof("message") == "register", answer
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
