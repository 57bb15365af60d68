"""A phone that is called: sipp as the carrier's side of one call that LiveKit makes, and whoever in a room hears it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from livekit.protocol import sip
from livekit.protocol.room import RoomParticipantIdentity

from lab.run import wait_until
from livekit_metal.call.access import Access
from livekit_metal.call.participants import EventLog, Ice, Publisher, Subscriber
from livekit_metal.call.server import server_api, token
from livekit_metal.call.tone import tone

WITHIN = 60.0  # s for an answer
_SCENARIO = (Path(__file__).parent / "called.xml").read_text()


@dataclass
class Called:
    """It takes one call at ``local``:``port``, and hangs up after ``hold`` seconds unless the other side has.

    What it is sent as sound it sends back. ``prefix`` is where it runs (ip netns exec …).
    """

    directory: Path
    local: str
    port: int = 15998
    media: int = 26100
    hold: float = 60.0
    prefix: Sequence[str] = ()
    messages: Path = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        base = self.directory / f"called-{uuid4().hex[:8]}"
        scenario, self._said = base.with_suffix(".xml"), base.with_suffix(".log")
        self.messages = base.with_suffix(".messages")
        scenario.write_text(_SCENARIO.replace("[hold]", str(int(self.hold * 1000))))
        command = [
            *self.prefix, "sipp", "-sf", str(scenario), "-m", "1", "-i", self.local, "-p", str(self.port), "-mi",
            self.local, "-mp", str(self.media), "-rtp_echo", "-nostdin", "-trace_logs", "-log_file", str(self._said),
            "-trace_msg", "-message_file", str(self.messages),
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        assert wait_until(self._listens, 20), "sipp does not listen"

    def _listens(self) -> bool:
        asked = [*self.prefix, "ss", "-Hlun", f"sport = :{self.port}"]
        return bool(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)

    def heard(self) -> list[str]:
        """How the call ended: "they hung up" or "hung up"."""
        said = self._said.read_text() if self._said.exists() else ""
        return [line for line in said.splitlines() if line]

    async def over(self, within: float = 60.0) -> int:
        """Wait for the end; sipp's exit status: 0 when the call went as a call should."""
        return await asyncio.to_thread(self._process.wait, within)

    def drop(self) -> None:
        """End sipp, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(5)


@contextlib.asynccontextmanager
async def calling(access: Access, room: str) -> AsyncIterator[Subscriber]:
    """LiveKit calls a phone, participant *called* of ``room``: it hears a tone, and what is yielded hears the phone."""
    event_log = EventLog()
    publisher, subscriber = Publisher(event_log, tone), Subscriber(event_log, "called")
    try:
        for seat in (publisher, subscriber):
            await seat.join(access.url, token(access, room=room, identity=seat.who), Ice())
        await publisher.publish(10)
        async with server_api(access) as api:
            (trunk,) = (await api.sip.list_outbound_trunk(sip.ListSIPOutboundTrunkRequest())).items
            ask = sip.CreateSIPParticipantRequest(
                sip_trunk_id=trunk.sip_trunk_id,
                sip_call_to="+15550999",
                room_name=room,
                participant_identity="called",
            )
            await api.sip.create_sip_participant(ask)
        async with asyncio.timeout(WITHIN):
            await subscriber.heard.wait()
        yield subscriber
    finally:
        event_log.closed = True
        await subscriber.leave()
        await publisher.leave()


async def hang_up(access: Access, room: str, identity: str) -> None:
    """We end the call: the participant that stands for the phone is removed."""
    async with server_api(access) as api:
        await api.room.remove_participant(RoomParticipantIdentity(room=room, identity=identity))
