"""A whole call as a process of its own: ``python -m tests.upgrade.client``, and what starts it.

The SDK hands each event of a process to every room and stream in it (livekit 1.2.0, rtc/_ffi_client.py): five calls in
one process cost as much as twenty-five, and what holds up one of them holds up all, the control too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from livekit_metal.call.forced_path import Path
from tests.support.hosts.lab import ROOT
from tests.upgrade.report import WholeReport, read
from tests.upgrade.whole import WholeCall

COMES_UP = 90.0  # s; the SDK itself tries for a minute
ENDS = 60.0  # s for what is on its way, and for leaving: each step of that is bounded


class Client:
    """``async with Client(access, room, path, through) as one: ...; report = await one.stop()``, like a call's."""

    PROGRAM: tuple[str, ...] = (sys.executable, "-m", "tests.upgrade.client")

    def __init__(self, access: Access, room: str = "", path: Path | None = None, through: str | None = None) -> None:
        self.room = room
        self._given = {"access": asdict(access), "room": room or None, "path": path, "through": through}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Returns when all kinds of media arrive. Raises CallError."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self.PROGRAM, cwd=ROOT, stdin=pipe, stdout=pipe)
        try:
            await self._say(self._given)
            await self._told(COMES_UP)
        except BaseException:
            await self._gone()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._gone()

    async def stop(self) -> WholeReport:
        """End the call and say what it was like. Raises CallError."""
        await self._say("stop")
        return read(await self._told(ENDS))

    async def _say(self, words: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it is gone: what it said before tells why
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            await self._process.stdin.drain()

    async def _told(self, within: float) -> Any:
        """The next line of the program. Raises CallError: what it says, or that it says nothing."""
        assert self._process is not None
        assert self._process.stdout is not None
        remedy = "run the row again; its errors are above"
        try:
            async with asyncio.timeout(within):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise CallError("connect", f"a client said nothing for {within:.0f} s", remedy) from None
        if not line:
            raise CallError("connect", "a client has ended by itself", remedy)
        said = json.loads(line)
        if "failed" in said:
            raise CallError(*said["failed"])
        return said

    async def _gone(self) -> None:
        """Let it leave by itself, as a vanished participant holds up a drain; end it if it does not."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(ENDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def _line(words: object) -> None:
    print(json.dumps(words), flush=True)


async def _call(given: dict[str, Any]) -> None:
    access, through = Access.parse(given["access"], "access"), given["through"]
    call = WholeCall(access, room=given["room"], path=given["path"], publish_through=through, subscribe_through=through)
    async with call:
        _line({"up": call.room})
        asked = await asyncio.to_thread(sys.stdin.readline)
        if asked:  # else whoever began it is gone, or wants to hear no more
            _line(asdict(await call.stop()))


def main() -> None:
    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # what the SDK logs, a report says in one line
    try:
        asyncio.run(_call(json.loads(sys.stdin.readline())))
    except CallError as error:
        _line({"failed": [error.step, error.problem.fact, error.problem.remedy]})
    except BrokenPipeError:  # whoever asked is gone
        pass


if __name__ == "__main__":
    main()
    os._exit(0)  # the SDK's exit handler may abort the process after a failed connection (livekit 1.2.0)
