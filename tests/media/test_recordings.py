"""What happens to a recording in progress when something happens to egress."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.call.access import Access
from tests.support.calls.recorder import HOST, STAND_IN, ended, kept, recording, serving, settings, state, unit
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import over_ssh

LENGTH = 3.0  # s, of what is recorded before something happens
UNWRITTEN = (
    1.0 if STAND_IN else 9.0
)  # s at the end that are in no file yet: 3 s of pipeline, 64 KB of the file's buffer


@pytest.fixture(scope="module", autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    assert deploy().status == 0


def test_a_recording_becomes_a_file_with_its_manifest(access: Access) -> None:
    async def scenario() -> None:
        async with recording(access) as one:
            began = time.monotonic()
            await asyncio.sleep(LENGTH)
            await one.stop()
            lasted = time.monotonic() - began
        await one.complete()
        # LiveKit calls a recording active some time after its first packet
        assert LENGTH - 0.5 <= one.seconds() <= lasted + 3
        told = json.loads(over_ssh(HOST).file(f"{settings().state}/files/{one.manifest}").content_string)
        assert told["egress_id"] == one.id
        assert [f["filename"] for f in told["files"]] == [one.file]

    asyncio.run(scenario())


def test_a_recording_goes_on_through_a_change_of_egress(access: Access, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with recording(access) as old:
            began = time.monotonic()
            told = await asyncio.to_thread(deploy, variant(tmp_path, {"egress": {"log_level": "debug"}}))
            assert told.status == 0, told.text
            assert f"slot {old.slot} drains: 1 recordings" in told.text
            assert serving() != old.slot
            assert state(old.slot) == "deactivating", "the recording holds its slot"
            async with recording(access) as new:
                assert kept(new.slot), "a new one is in the new slot's scratch"
                await new.stop()
            lasted = time.monotonic() - began
            await old.stop()
        await old.complete()
        assert old.seconds() >= lasted - 0.5, "it went on all the time"
        ended(old.slot)

    asyncio.run(scenario())


@pytest.mark.long
def test_at_the_deadline_of_a_drain_a_recording_is_ended_in_good_order(access: Access, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with recording(access) as old:
            began = time.monotonic()
            changes = {"egress": {"extra": {"io_workers": 6}, "drain": {"deadline": "10s", "finalise": "60s"}}}
            told = await asyncio.to_thread(deploy, variant(tmp_path, changes))
            assert told.status == 0, told.text
            await old.over()
            lasted = time.monotonic() - began
        await old.complete()
        assert 10 <= old.seconds() <= lasted + 3
        ended(old.slot)
        left = over_ssh(HOST).run(
            f"ls /run/systemd/system/{unit(old.slot)}.d; systemctl list-timers livekit-finish-egress*"
        )
        assert "finish" not in left.stdout, "nothing of the drain is left"

    asyncio.run(scenario())


@pytest.mark.long
def test_what_a_kill_leaves_of_a_recording_is_kept_and_reported(access: Access, tmp_path: Path) -> None:
    host = over_ssh(HOST)

    async def scenario() -> None:
        async with recording(access) as one:
            await asyncio.sleep(UNWRITTEN + LENGTH)
            host.check_output(f"kill -KILL $(systemctl show -p MainPID --value {unit(one.slot)})")
            end = time.monotonic() + 30
            while not any(f.startswith(f"{one.id}/") for f in kept("cut-short")):
                assert time.monotonic() < end, kept("cut-short")
                await asyncio.sleep(0.2)
            assert one.seconds("cut-short", f"{one.id}/sound.ogg") >= LENGTH - 0.5
        said = host.check_output(f"journalctl -u {unit(one.slot)} -p err -o cat --no-pager")
        assert f"recording {one.id} was cut short" in said
        assert "of recordings that were cut short" in deploy(variant(tmp_path, {})).text
        host.check_output(f"rm -r {settings().state}/cut-short/{one.id}")

    asyncio.run(scenario())
