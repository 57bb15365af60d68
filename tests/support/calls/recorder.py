"""Recordings on the deployed lab, whichever egress runs there: the real one is asked by LiveKit's API to record a call,
a stand-in (tests/standins) by a file in its scratch. What a test asserts is the same."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from livekit.protocol.egress import EgressStatus

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.roles.egress.settings import Settings
from tests.support.hosts.lab import first_with, lab, over_ssh
from tests.support.programs import recordings

HOST = first_with("egress")
ENDS = 60.0  # s
STAND_IN = (
    "standin"
    in subprocess.run([lab().site.of(Settings).file, "--version"], capture_output=True, text=True, check=True).stdout
)


def settings() -> Settings:
    """egress as the inventory under test has it."""
    return lab().site.for_host(HOST).the(Settings)


def serving() -> str:
    """The slot that gets new recordings."""
    text: str = over_ssh(HOST).file(settings().active.file).content_string
    return next(line.split()[1] for line in text.splitlines() if line.startswith("egress "))


def unit(slot: str) -> str:
    return f"livekit-egress@{slot}.service"


def state(slot: str) -> str:
    """What systemd says of a slot."""
    said: str = over_ssh(HOST).run(f"systemctl show -p ActiveState --value {unit(slot)}").stdout
    return said.strip()


def ended(slot: str) -> None:
    """Wait until a slot has ended by itself, in its own way."""
    end = time.monotonic() + ENDS
    while state(slot) == "deactivating":
        assert time.monotonic() < end, f"{unit(slot)} has not ended {ENDS:.0f} s after its last recording"
        time.sleep(0.2)
    shown = over_ssh(HOST).check_output(f"systemctl show -p ActiveState -p Result {unit(slot)}")
    assert sorted(shown.split()) == ["ActiveState=inactive", "Result=success"], shown


def kept(below: str = "files") -> list[str]:
    """Files on the host, below a directory of egress' state."""
    said: str = over_ssh(HOST).check_output(f"cd {settings().state}/{below} && find . -type f -printf '%P\\n'")
    return said.splitlines()


@dataclass(frozen=True)
class Recording:
    """A recording that runs, and the file it is to become (below the store)."""

    id: str
    file: str
    slot: str
    access: Access | None  # None: of a stand-in

    async def stop(self) -> None:
        """End it as an application does, and wait for its file."""
        if self.access is None:
            over_ssh(HOST).check_output(f"touch {settings().state}/{self.slot}/stop-{self.id[3:]}")
        else:
            await recordings.stop(self.access, self.id)
        await self.over()

    async def over(self) -> None:
        """Wait for its manifest, which comes last; whoever ended it, LiveKit calls it complete."""
        end = time.monotonic() + ENDS
        while not self.manifest:
            assert time.monotonic() < end, f"{self.id} has no manifest after {ENDS:.0f} s: {kept()}"
            await asyncio.sleep(0.2)

    async def complete(self) -> None:
        """Assert that LiveKit knows that it is over and whole (a stand-in tells LiveKit nothing)."""
        if self.access is not None:
            found = await recordings.over(self.access, self.id)
            assert found.status == EgressStatus.EGRESS_COMPLETE, found

    @property
    def manifest(self) -> str:
        return next((f for f in kept() if f.endswith(f"{self.id}.json")), "")

    def seconds(self, below: str = "files", file: str = "") -> float:
        """How long the sound of its file is; it must be read to its end without an error."""
        path = f"{settings().state}/{below}/{file or self.file}"
        with tempfile.NamedTemporaryFile(suffix=".ogg") as copy:
            copy.write(over_ssh(HOST).file(path).content)
            copy.flush()
            return seconds(Path(copy.name), whole=below == "files")


def seconds(file: Path, *, whole: bool = True) -> float:
    """How long the Opus sound in an OGG file is, every packet of it decoded. Of a stand-in's: what it says itself."""
    if STAND_IN:
        lines = file.read_text().splitlines()
        assert not whole or lines[-1] == "end of stream"
        times = [float(line) for line in lines if line[0].isdigit()]
        return times[-1] - times[0]
    entries = ("-show_entries", "format=format_name,duration:stream=codec_name", "-of", "default=nw=1")
    said = subprocess.run(["ffprobe", "-v", "error", *entries, file], capture_output=True, text=True, check=True).stdout
    found = dict(line.split("=", 1) for line in said.splitlines())
    assert (found["format_name"], found["codec_name"]) == ("ogg", "opus"), said
    read = subprocess.run(["ffmpeg", "-v", "error", "-i", file, "-f", "null", "-"], capture_output=True, check=True)
    assert not whole or not read.stderr, read.stderr
    return float(found["duration"])


def ask(slot: str, id_: str, words: str) -> None:
    """Have a stand-in begin a recording; its file is there with all of its words, or not at all."""
    scratch = f"{settings().state}/{slot}"
    over_ssh(HOST).check_output(f"echo {words} >{scratch}/new-{id_} && mv {scratch}/new-{id_} {scratch}/record-{id_}")


@asynccontextmanager
async def recording(access: Access) -> AsyncIterator[Recording]:
    """A recording of a call (or what a stand-in takes for one) that has begun."""
    slot, file = serving(), f"test-{uuid4().hex[:8]}/sound.ogg"
    if STAND_IN:
        id_ = uuid4().hex[:8]
        ask(slot, id_, file)
        end = time.monotonic() + ENDS
        while not any(f.startswith(f"EG_{id_}/") for f in kept(slot)):
            assert time.monotonic() < end, "the stand-in does not begin"
            await asyncio.sleep(0.1)
        yield Recording(f"EG_{id_}", file, slot, None)
        return
    async with Call(access) as call:
        yield Recording(await recordings.start(access, call.room, file), file, slot, access)
