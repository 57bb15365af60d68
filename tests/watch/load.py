"""What a site is for, all at once: a call, streams, a recording, phone calls and an agent's conversation.

Some stay as long as the load does; others come and go, since much is counted when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from livekit.protocol.egress import DirectFileOutput, EgressStatus, TrackEgressRequest

from livekit_metal.call.access import Access
from livekit_metal.call.background import Aside
from livekit_metal.call.client import Call
from livekit_metal.call.conversation import Conversation
from livekit_metal.call.join_info import announced
from livekit_metal.call.server import server_api, trust
from tests.sip.called import Called, calling
from tests.sip.phone import Phone, talking
from tests.support.calls import recorder
from tests.support.calls.whip import whip
from tests.support.programs import recordings
from tests.support.programs.streams import Watch, encoder, ingress
from tests.upgrade.whole import WholeCall

SHORT = 8.0  # s of what comes and goes
HOURS = 3600.0 * 4  # s: nobody hangs up before the load ends
COMES = 60.0  # s for a stream, or an agent, on a machine that does all of this


@dataclass(frozen=True)
class Ground:
    """Where the load is."""

    access: Access
    phones: str  # host:port of Kamailio
    gateway: str  # an address of this machine, which is the carrier of calls
    directory: Path
    real: bool  # egress and livekit-sip are no stand-ins


@dataclass
class Load(Aside[None]):
    ground: Ground
    failures: list[str] = field(default_factory=list)  # of what comes and goes
    rounds: dict[str, int] = field(default_factory=dict)  # how often it did

    def __post_init__(self) -> None:
        super().__init__("load")

    async def _session(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            await self._stay(stack)
            going = [asyncio.create_task(self._again(name, what)) for name, what in self._short().items()]
            try:
                self._up.set_result(None)
                await asyncio.wrap_future(self._stop)
            finally:
                for task in going:
                    task.cancel()
                await asyncio.gather(*going, return_exceptions=True)

    async def _stay(self, stack: contextlib.AsyncExitStack) -> None:
        on, access = self.ground, self.ground.access
        trust(access)
        await stack.enter_async_context(WholeCall(access))
        await stack.enter_async_context(Conversation(access, "echo", within=COMES))
        whipped = await stack.enter_async_context(ingress(access, "WHIP"))
        await stack.enter_async_context(whip(whipped.url, whipped.stream_key, ca_file=access.ca_file))
        await stack.enter_async_context(Watch(access, whipped, within=COMES))
        sent = await stack.enter_async_context(ingress(access, "RTMP"))
        stack.enter_context(encoder(on.directory, f"{sent.url}/{sent.stream_key}"))
        await stack.enter_async_context(Watch(access, sent, within=COMES))
        if on.real:
            await stack.enter_async_context(recorder.recording(access))
            await stack.enter_async_context(talking(access, self._phone(hold=HOURS), "hotline"))
            called = Called(on.directory, on.gateway, hold=HOURS)
            stack.callback(called.drop)
            await stack.enter_async_context(calling(access, "called-by-the-load"))

    def _phone(self, hold: float, number: str = "+15550100") -> Phone:
        on = self.ground
        return Phone(on.directory, on.phones, on.gateway, number, hold=hold, within=COMES)

    def _short(self) -> dict[str, Callable[[], Awaitable[None]]]:
        found = {"call": self._call, "conversation": self._conversation, "join without media": self._unconnected}
        media = {
            "recording": self._recording,
            "failing recording": self._failing,
            "phone call": self._phone_call,
            "refused phone call": self._refused,
        }
        return {**found, **(media if self.ground.real else {})}

    async def _again(self, name: str, what: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await what()
                self.rounds[name] = self.rounds.get(name, 0) + 1
            except Exception as error:  # a busy machine, or a deploy: whether it matters the queries tell
                self.failures.append(f"{name}: {type(error).__name__} {error}")
            await asyncio.sleep(SHORT)

    async def _call(self) -> None:
        async with WholeCall(self.ground.access):
            await asyncio.sleep(SHORT)

    async def _unconnected(self) -> None:
        """Somebody whose media finds no way: the server waits for half a minute."""
        async with announced(self.ground.access, "unconnected"):
            await asyncio.sleep(COMES)

    async def _conversation(self) -> None:
        async with Conversation(self.ground.access, "echo", within=COMES):
            await asyncio.sleep(SHORT)

    async def _recording(self) -> None:
        async with recorder.recording(self.ground.access) as one:
            await asyncio.sleep(SHORT)
            await one.stop()

    async def _failing(self) -> None:
        """A track that nobody publishes."""
        access = self.ground.access
        async with Call(access) as call, server_api(access) as client:
            wanted = TrackEgressRequest(
                room_name=call.room, track_id="TR_nobodys", file=DirectFileOutput(filepath="nobodys.ogg")
            )
            begun = await client.egress.start_track_egress(wanted)
            found = await recordings.over(access, begun.egress_id, within=COMES)
            assert found.status == EgressStatus.EGRESS_FAILED, found

    async def _phone_call(self) -> None:
        async with talking(self.ground.access, one := self._phone(SHORT, "+15550101"), "lobby"):
            assert await one.over() == 0, one.errors()

    async def _refused(self) -> None:
        one = self._phone(SHORT, "+15559999")
        assert await one.over() != 0, "a number of nobody is answered"
