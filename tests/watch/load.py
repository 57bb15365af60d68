"""What a site is for, all at once: a call, streams, a recording, phone calls and an agent's conversation.

Some stay as long as the load does; others come and go, since much is counted when it ends. What fails begins again: the
queries are the judges, and say in the end whether there was enough.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from livekit.api.twirp_client import SipCallError
from livekit.protocol import sip
from livekit.protocol.egress import EgressStatus

from livekit_metal.call.access import Access
from livekit_metal.call.background import Aside
from livekit_metal.call.conversation import Conversation
from livekit_metal.call.join_info import announced
from livekit_metal.call.server import server_api, trust
from tests.sip.called import Called, calling
from tests.sip.phone import Phone, talking
from tests.support.calls import recorder
from tests.support.calls.whip import whip
from tests.support.hosts.lab import over_ssh
from tests.support.programs import recordings
from tests.support.programs.streams import Watch, encoder, ingress
from tests.upgrade.whole import WholeCall

SHORT = 8.0  # s of what comes and goes
LONG = 4 * 3600.0  # s: nobody hangs up before the load ends
COMES = 60.0  # s for a stream, or an agent, on a machine that does all of this


@dataclass(frozen=True)
class Ground:
    """Where the load is."""

    access: Access
    phones: str  # host:port of Kamailio
    gateway: str  # an address of this machine, which is the carrier of calls
    directory: Path
    real: bool  # egress and livekit-sip are no stand-ins


Scene = Callable[[float], contextlib.AbstractAsyncContextManager[object]]  # given how long it is to last (s)


class _Going(Aside[None]):
    """One scene, again and again, in a thread of its own: what it waits for holds up nobody."""

    def __init__(self, load: Load, name: str, scene: Scene, seconds: float) -> None:
        super().__init__(name)
        self._load, self._name, self._scene, self._seconds = load, name, scene, seconds

    async def _session(self) -> None:
        going = asyncio.create_task(self._again())
        self._up.set_result(None)
        await asyncio.wrap_future(self._stop)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)

    async def _again(self) -> None:
        while True:
            try:
                async with self._scene(self._seconds):
                    self._load.begun[self._name] += 1
                    await asyncio.sleep(self._seconds)
            except Exception as error:  # a busy machine, or a deploy
                self._load.failures.append(f"{self._name}: {type(error).__name__} {f'{error}'[:200]!r}")
            await asyncio.sleep(SHORT)


@dataclass
class Load:
    """Everything at once, between :meth:`start` and :meth:`stop`; ``begun`` counts what has been."""

    ground: Ground
    begun: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _going: list[_Going] = field(default_factory=list)

    async def start(self) -> None:
        trust(self.ground.access)
        self._going = [_Going(self, name, scene, LONG) for name, scene in self._staying().items()]
        self._going += [_Going(self, name, scene, SHORT) for name, scene in self._short().items()]
        for one in self._going:
            await one.__aenter__()

    async def stop(self) -> None:
        await asyncio.gather(*(one.stop() for one in self._going))

    def _staying(self) -> dict[str, Scene]:
        found: dict[str, Scene] = {"call": self._call, "conversation": self._conversation}
        found |= {"WHIP": self._whip, "RTMP": self._rtmp}
        media: dict[str, Scene] = {"recording": self._recording, "phone call": self._phone_call, "call out": self._out}
        return {f"{name}, staying": scene for name, scene in {**found, **(media if self.ground.real else {})}.items()}

    def _short(self) -> dict[str, Scene]:
        found: dict[str, Scene] = {
            "call": self._call,
            "conversation": self._conversation,
            "no media": self._unconnected,
        }
        media: dict[str, Scene] = {
            "recording": self._recording,
            "failing recording": self._failing,
            "phone call": self._phone_call,
        }
        return {**found, **(media if self.ground.real else {})}

    def _call(self, _: float) -> contextlib.AbstractAsyncContextManager[object]:
        return WholeCall(self.ground.access)

    def _conversation(self, _: float) -> contextlib.AbstractAsyncContextManager[object]:
        return Conversation(self.ground.access, "echo", within=COMES)

    @contextlib.asynccontextmanager
    async def _whip(self, _: float) -> AsyncIterator[None]:
        access = self.ground.access
        async with (
            ingress(access, "WHIP") as made,
            whip(made.url, made.stream_key, ca_file=access.ca_file),
            Watch(access, made, within=COMES),
        ):
            yield

    @contextlib.asynccontextmanager
    async def _rtmp(self, _: float) -> AsyncIterator[None]:
        async with ingress(self.ground.access, "RTMP") as made:
            with encoder(self.ground.directory, f"{made.url}/{made.stream_key}"):
                async with Watch(self.ground.access, made, within=COMES):
                    yield

    @contextlib.asynccontextmanager
    async def _recording(self, _: float) -> AsyncIterator[None]:
        async with recorder.recording(self.ground.access) as one:
            yield
            await one.stop()

    @contextlib.asynccontextmanager
    async def _failing(self, _: float) -> AsyncIterator[None]:
        """Its process is killed: what fails in an orderly way upstream counts as completed."""
        async with recorder.recording(self.ground.access) as one:
            over_ssh(recorder.HOST).check_output("pkill -KILL -n -f 'egress run-handler'")
            found = await recordings.over(self.ground.access, one.id, within=COMES)
            assert found.status == EgressStatus.EGRESS_FAILED, found
            yield

    @contextlib.asynccontextmanager
    async def _unconnected(self, _: float) -> AsyncIterator[None]:
        """Somebody whose media finds no way: the server waits for half a minute."""
        async with announced(self.ground.access, "unconnected"):
            await asyncio.sleep(COMES)
            yield

    def _phone(self, hold: float, number: str) -> Phone:
        on = self.ground
        return Phone(on.directory, on.phones, on.gateway, number, hold=hold, within=COMES)

    @contextlib.asynccontextmanager
    async def _phone_call(self, seconds: float) -> AsyncIterator[None]:
        """It ends as calls do: somebody hangs up."""
        number, room = ("+15550100", "hotline") if seconds == LONG else ("+15550101", "lobby")
        async with talking(self.ground.access, one := self._phone(seconds, number), room):
            yield
            assert await one.over() == 0, one.errors()

    @contextlib.asynccontextmanager
    async def _out(self, seconds: float) -> AsyncIterator[None]:
        """One that nobody takes, then one that is taken."""
        await self._untaken()
        called = Called(self.ground.directory, self.ground.gateway, hold=seconds)
        try:
            async with calling(self.ground.access, "called-by-the-load"):
                yield
        finally:
            called.drop()

    async def _untaken(self) -> None:
        """Nobody listens where it goes: Kamailio says 408."""
        async with server_api(self.ground.access) as client:
            (trunk,) = (await client.sip.list_outbound_trunk(sip.ListSIPOutboundTrunkRequest())).items
            wanted = sip.CreateSIPParticipantRequest(
                sip_trunk_id=trunk.sip_trunk_id,
                sip_call_to="+15550998",
                room_name="untaken",
                participant_identity="untaken",
                wait_until_answered=True,
            )
            try:
                await client.sip.create_sip_participant(wanted, timeout=COMES)
            except SipCallError:
                return
        raise AssertionError("somebody took a call to nobody")
