"""A phone: sipp as the carrier's side of one call, and a room that listens to it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from livekit_metal.call.access import Access
from livekit_metal.call.participants import EventLog, Ice, Publisher, Subscriber
from livekit_metal.call.server import token
from livekit_metal.call.tone import tone

_SCENARIO = (Path(__file__).parent / "call.xml").read_text()
ANSWERS = 15.0  # s


@dataclass
class Phone:
    """One call by sipp from the address ``local``; what it is sent as sound it sends back.

    It hangs up after ``hold`` seconds unless the other side has. ``prefix`` is where it runs (ip netns exec …).
    """

    directory: Path
    target: str  # host:port
    local: str
    number: str = "+15550100"
    caller: str = ""
    hold: float = 10.0
    transport: str = "u1"  # of sipp: u1, t1, l1
    user: str = ""
    password: str = ""
    prefix: Sequence[str] = ()
    within: float = ANSWERS  # s for an answer
    _process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.caller = self.caller or f"+1666{uuid4().int % 10**8:08}"
        base = self.directory / self.caller
        scenario, self._said = base.with_suffix(".xml"), base.with_suffix(".log")
        self._messages, self._errors = base.with_suffix(".messages"), base.with_suffix(".errors")
        filled = _SCENARIO.replace("[hold]", str(int(self.hold * 1000))).replace("[caller]", self.caller)
        scenario.write_text(filled)
        log_in = ["-au", self.user, "-ap", self.password] if self.user else []
        media = _free_pair(self.local) if not self.prefix else 26000
        command = [
            *self.prefix, "sipp", self.target, "-sf", str(scenario), "-s", self.number, "-m", "1", "-t", self.transport,
            "-i", self.local, "-mi", self.local, "-mp", str(media), "-rtp_echo", "-nostdin", "-recv_timeout",
            str(int(self.within * 1000)), "-trace_logs", "-log_file", str(self._said),
            "-trace_msg", "-message_file", str(self._messages), "-trace_err", "-error_file", str(self._errors), *log_in,
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, text=True)

    def heard(self) -> list[str]:
        """What happened so far: "answered", then "they hung up" or "hung up"."""
        said = self._said.read_text() if self._said.exists() else ""
        return [line for line in said.splitlines() if line]

    def statuses(self) -> list[int]:
        """The status of every answer to INVITE, as they came."""
        said = self._messages.read_text() if self._messages.exists() else ""
        received = re.findall(r"message received \[\d+\] bytes :\s+SIP/2\.0 (\d+).*?\n\n", said, re.DOTALL)
        return [int(status) for status in received]

    async def answered(self) -> None:
        end = time.monotonic() + self.within + 5
        while "answered" not in self.heard():
            assert self._process.poll() is None, f"no answer: {self.statuses()} {self.errors()}"
            assert time.monotonic() < end, f"no answer: {self.statuses()} {self.errors()}"
            await asyncio.sleep(0.1)

    async def over(self, within: float = 60.0) -> int:
        """Wait for the end; sipp's exit status: 0 when the call went as a call should."""
        return await asyncio.to_thread(self._process.wait, within)

    def errors(self) -> str:
        return self._errors.read_text() if self._errors.exists() else ""

    def drop(self) -> None:
        """End sipp, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(5)


@dataclass
class Line:
    """A call that is up: the phone, and what the room hears of it."""

    phone: Phone
    ear: Subscriber

    def gap(self) -> float:
        """The largest time (ms) so far without sound that made the way from the room to the phone and back."""
        return self.ear.ear.gap(time.monotonic()).ms

    @property
    def seconds(self) -> float:
        """Seconds of sound that made that way."""
        return len(self.ear.ear.steps) * 0.02


@contextlib.asynccontextmanager
async def talking(access: Access, phone: Phone, room: str) -> AsyncIterator[Line]:
    """The phone in ``room``, answered and heard there: the room's tone goes to the phone, which sends it back.

    Somebody must publish sound in the room before livekit-sip answers: that is the tone.
    """
    event_log, tag = EventLog(), uuid4().hex[:8]
    publisher, subscriber = Publisher(event_log, tone), Subscriber(event_log, f"sip_{phone.caller}")
    try:
        for seat in (publisher, subscriber):
            await seat.join(access.url, token(access, room=room, identity=f"{seat.who}-{tag}"), Ice())
        await publisher.publish(10)
        await phone.answered()
        async with asyncio.timeout(15):
            await subscriber.heard.wait()
        yield Line(phone, subscriber)
    finally:
        phone.drop()
        event_log.closed = True
        await subscriber.leave()
        await publisher.leave()


def answers(phone: Phone, requests: int) -> int:
    """Send OPTIONS from where ``phone`` is, as fast as it goes: how many of them are answered."""
    host, _, port = phone.target.partition(":")
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.bind((phone.local, 0))
        one.settimeout(1)
        me = "{}:{}".format(*one.getsockname())
        for number in range(requests):
            lines = (
                f"OPTIONS sip:{phone.target} SIP/2.0",
                f"Via: SIP/2.0/UDP {me};branch=z9hG4bK{number}",
                "Max-Forwards: 5",
                f"From: <sip:flood@{me}>;tag=1",
                f"To: <sip:{phone.target}>",
                f"Call-ID: {number}@{me}",
                "CSeq: 1 OPTIONS",
                "Content-Length: 0",
            )
            one.sendto("\r\n".join([*lines, "", ""]).encode(), (host, int(port)))
        count = 0
        with contextlib.suppress(TimeoutError):
            while one.recv(4096):
                count += 1
        return count


def _free_pair(address: str) -> int:
    """An even port, with the next one, that nobody has."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
            one.bind((address, 0))
            port: int = one.getsockname()[1]
            if port % 2:
                continue
            with contextlib.suppress(OSError):
                two.bind((address, port + 2))  # sipp takes one for audio and one, two above, for video
                return port
