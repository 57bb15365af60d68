"""Recordings in a bucket: there, kept while it is away, delivered later; and a bucket that is not as the site says."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from livekit.protocol.egress import EgressStatus
from livekit.protocol.room import CreateRoomRequest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.server import room_service
from tests.support.calls.recorder import HOST, STAND_IN, kept, seconds, serving, settings, unit
from tests.support.hosts.deploys import Deploy, deploy, unchanging, variant
from tests.support.hosts.lab import lab, over_ssh
from tests.support.programs import recordings
from tests.support.programs.bucket import PROGRAM, Bucket, know

if not PROGRAM.exists():
    pytest.skip(f"no S3 server to test with: {PROGRAM} is not there", allow_module_level=True)

LENGTH = 5.0  # s
real = pytest.mark.skipif(STAND_IN, reason="a stand-in uploads nothing")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with socket.socket() as free:
        free.bind((lab().facts["gateway"], 0))
        port = free.getsockname()[1]
    made = Bucket(tmp_path_factory.mktemp("s3"), port)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def inventory(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site with the bucket, deployed; what was before comes back in the end."""
    know(bucket.secret)
    made = variant(tmp_path_factory.mktemp("site"), {"egress": bucket.settings()})
    told = deploy(made)
    assert told.status == 0, told.text
    yield made
    assert deploy().status == 0


def pid() -> str:
    """The process that gets new recordings."""
    said: str = over_ssh(HOST).check_output(f"systemctl show -p MainPID --value {unit(serving())}")
    return said


@real
def test_each_track_of_a_room_with_the_preset_is_in_the_bucket_with_its_manifest(
    access: Access, bucket: Bucket, inventory: Path
) -> None:
    room = f"preset-{uuid4().hex[:8]}"

    async def scenario() -> float:
        async with room_service(access) as rooms:
            request = CreateRoomRequest(name=room, room_preset="record-tracks", departure_timeout=1)
            await rooms.create_room(request)
        async with Call(access, room=room) as call:
            end = time.monotonic() + recordings.STARTS
            while not (found := await recordings.of_room(access, room)):
                assert time.monotonic() < end, "nobody records the room"
                await asyncio.sleep(0.2)
            (one,) = found
            await recordings.until(
                access, one.egress_id, lambda i: i.status == EgressStatus.EGRESS_ACTIVE, recordings.STARTS
            )
            await asyncio.sleep(LENGTH)
            identity, track = await recordings.audio_track(access, room)
            await call.stop()
        done = await recordings.over(access, one.egress_id)
        assert done.status == EgressStatus.EGRESS_COMPLETE, done
        assert sorted(bucket.files()) == [f"{room}/{one.egress_id}.json", f"{room}/{identity}-{track}.ogg"]
        told = json.loads(bucket.path(f"{room}/{one.egress_id}.json").read_text())
        assert told["files"][0]["filename"] == f"{room}/{identity}-{track}.ogg"
        (file,) = done.file_results
        length = seconds(bucket.path(f"{room}/{identity}-{track}.ogg"))
        assert abs(length - file.duration / 1e9) < 0.5
        return length

    assert asyncio.run(scenario()) >= LENGTH - 0.5


def test_a_second_deploy_changes_nothing_not_even_the_bucket(bucket: Bucket, inventory: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in bucket.folder.rglob("*") if path.is_dir()}
    unchanging(inventory)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@real
def test_a_bucket_that_is_away_costs_no_recording(access: Access, bucket: Bucket, inventory: Path) -> None:
    file = f"away-{uuid4().hex[:8]}/sound.ogg"

    async def scenario() -> str:
        async with Call(access) as call:
            one = await recordings.start(access, call.room, file)
            await asyncio.sleep(LENGTH)
            bucket.stop()
            done = await recordings.stop(access, one)
        assert (done.status, done.backup_storage_used) == (EgressStatus.EGRESS_COMPLETE, True), done
        return one

    try:
        one = asyncio.run(scenario())
        names = [file, f"{file.partition('/')[0]}/{one}.json"]
        assert sorted(kept("backup")) == sorted(names)
        assert "2 files were not uploaded and wait in" in deploy(inventory).text
        refused = Deploy(inventory, plan="procedures/reupload.py").end()
        refused.refused("connection refused", "let the host get there")
        assert sorted(kept("backup")) == sorted(names), "what could not be delivered is still there"
    finally:
        bucket.start()
    young, end = f"find {settings().state}/backup -type f -newermt '-10 seconds'", time.monotonic() + 30
    while over_ssh(HOST).check_output(young):  # such a file may be written still: it is left for the next run
        assert time.monotonic() < end
        time.sleep(0.2)
    told = Deploy(inventory, plan="procedures/reupload.py").end()
    assert told.status == 0, told.text
    assert "2 delivered, 0 left" in told.text
    assert kept("backup") == []
    assert set(names) <= set(bucket.files())
    assert seconds(bucket.path(file)) >= LENGTH - 0.5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"bucket": "missing"}, ("egress.storage.s3: ", "NoSuchBucket", "make the bucket, or correct its name")),
        ({"endpoint": "http://{gateway}:9"}, ("egress.storage.s3: ", "connection refused", "correct endpoint")),
        ({"access_key": "UNKNOWN"}, ("egress.storage.s3: ", "access key ID", "correct the keys")),
    ],
    ids=["bucket", "endpoint", "key"],
)
def test_a_bucket_that_is_not_as_the_site_says_stops_the_deploy(
    bucket: Bucket, inventory: Path, tmp_path: Path, wrong: dict[str, str], words: tuple[str, ...]
) -> None:
    before = pid()
    other = {key: value.format(gateway=lab().facts["gateway"]) for key, value in wrong.items()}
    deploy(variant(tmp_path, {"egress": bucket.settings(**other)})).refused(*words)
    assert pid() == before, "what records goes on"


def test_a_wrong_secret_stops_the_deploy(bucket: Bucket, inventory: Path, tmp_path: Path) -> None:
    before = pid()
    know("not the secret")
    try:
        told = deploy(inventory)
    finally:
        know(bucket.secret)
    told.refused("egress.storage.s3: ", "SignatureDoesNotMatch", "set egress-s3")
    assert bucket.secret not in told.text
    assert pid() == before


def test_livekit_out_of_reach_stops_the_deploy(bucket: Bucket, inventory: Path, tmp_path: Path) -> None:
    """ws_url leads nowhere: nothing is started beside what records."""
    host, before = over_ssh(HOST), pid()
    port = lab().site.edge.http.first
    rule = f"add rule inet tests out oif lo tcp dport {port} reject with tcp reset"
    host.check_output(
        "nft add table inet tests; nft add chain inet tests out '{ type filter hook output priority 0; }'"
    )
    try:
        host.check_output(f"nft {rule}")
        told = deploy(variant(tmp_path, {"egress": bucket.settings() | {"log_level": "debug"}}))
    finally:
        host.check_output("nft delete table inet tests")
    told.refused(f"egress: LiveKit does not answer at http://127.0.0.1:{port}", "livekit-server must serve")
    assert pid() == before
