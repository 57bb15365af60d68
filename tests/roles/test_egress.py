"""What the egress role plans from what it sees, and what it makes of others' words."""

from __future__ import annotations

import copy
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.slots.decision import GUARD
from livekit_metal.roles.egress import store, tasks
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.support.values.sites import RECORDING, SINGLE

NOTHING = ["0", "0", "0"]


@pytest.fixture
def egress(make_site: Callable[[dict[str, Any]], Site], no_download: None) -> Settings:
    data = copy.deepcopy(SINGLE) | {"egress": dict(RECORDING)}
    data["hosts"]["lk1"]["roles"] += ["egress"]
    found = make_site(data).for_host("lk1").egress
    assert found is not None
    return found


def host(active: str = "", left: list[str] = NOTHING, **slots: str) -> HostState:
    """A host with ``slots`` given as "ActiveState generation"."""
    units = {GUARD: {"ActiveState": "active", "UnitFileState": "enabled"}}
    for slot, words in slots.items():
        state, _, generation = words.partition(" ")
        units[Settings.unit.format(slot)] = {"ActiveState": state, "Stamp": generation}
    probes = {
        "egress.active": [active] if active else [],
        "egress.generations": [],
        "egress.releases": [],
        "egress.left": left,
        "egress.occupancy": ["only draining", "end"],
    }
    return HostState(units=units, answers=probes)


def names(todo: Plan) -> list[str]:
    return [step.name for step in todo.actions]


def test_what_waits_for_somebody_is_told_at_the_end_of_every_deploy(egress: Settings) -> None:
    notes = tasks.Egress(egress).activate().closing(host(left=["2", "1", "9"]))
    assert notes == (
        f"2 files were not uploaded and wait in {egress.state}/backup: procedures/reupload.py",
        f"1 files are of recordings that were cut short, up to that moment: {egress.state}/cut-short",
    )
    assert tasks.Egress(egress).activate().closing(host()) == ()


def test_recordings_that_are_still_on_a_host_keep_it(egress: Settings) -> None:
    with pytest.raises(HostError, match=r"recordings are still here \(1 in .*/egress/files\); fetch them, or deliver"):
        tasks.Egress(egress).kept().plan(host(left=["0", "0", "1"]))
    assert tasks.Egress(egress).kept().plan(host()).actions == ()


def test_the_secret_of_a_store_must_be_there(make_site: Callable[[dict[str, Any]], Site], no_download: None) -> None:
    data = copy.deepcopy(SINGLE)
    data["egress"] = RECORDING | {"storage": {"s3": {"bucket": "b", "access_key": "k"}}}
    data["hosts"]["lk1"]["roles"] += ["egress"]
    site = make_site(data)
    from pyinfra.api.exceptions import PyinfraError  # noqa: PLC0415

    with pytest.raises(PyinfraError, match=r"egress\.storage\.s3: egress-s3 is not among the secrets; store it: "):
        tasks.Egress(site.for_host("lk1").egress).desired()
    assert site.vault is not None
    site.vault.set_password("egress-s3", "hidden")
    found = site.for_host("lk1").egress
    assert found is not None
    assert found.storage_secret is not None


MISSING = """2026/11/26 10:16:37 ERROR : probe: Failed to copy: NoSuchBucket: The specified bucket does not exist.
\tstatus code: 404, request id: 6B1PHW9DIGGMXFRC, host id: e17pJve=
2026/11/26 10:16:37 ERROR : probe: Post request rcat error: NoSuchBucket: The specified bucket does not exist.
2026/11/26 10:16:37 Failed to rcat: NoSuchBucket: The specified bucket does not exist."""
KEYS = """2026/11/26 10:16:37 ERROR : probe: Failed to copy: SignatureDoesNotMatch: The signature does not match.
\tstatus code: 403, request id: 1CQA7US38RFYMA5N"""
AWAY = """2026/11/26 10:16:37 ERROR : probe: Failed to copy: RequestError: send request failed
caused by: Put "http://192.0.2.9:1/b/probe": dial tcp 192.0.2.9:1: connect: connection refused"""
OTHER = """2026/11/26 10:18:01 ERROR : x.ogg: Source and destination exist but do not match: immutable file modified
2026/11/26 10:18:01 ERROR : Attempt 1/1 failed with 1 errors"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (MISSING, "NoSuchBucket: The specified bucket does not exist. (404); make the bucket, or correct its name"),
        (
            KEYS,
            "SignatureDoesNotMatch: The signature does not match. (403); correct the keys (the secret one: "
            "python -m procedures.secrets INVENTORY set egress-s3)",
        ),
        (
            AWAY,
            'RequestError: send request failed (Put "http://192.0.2.9:1/b/probe": dial tcp 192.0.2.9:1: connect: '
            "connection refused); correct endpoint, or let the host get there",
        ),
        (
            OTHER,
            "x.ogg: Source and destination exist but do not match: immutable file modified; the store has another file "
            "of that name: compare, then remove or rename one",
        ),
        ("sh: 1: rclone: not found", "sh: 1: rclone: not found; see what the store has against it"),
    ],
)
def test_what_a_store_says_is_told_in_a_line_with_a_remedy(egress: Settings, said: str, told: str) -> None:
    from livekit_metal.roles.egress.storage import S3, Storage  # noqa: PLC0415

    assert f"{store.reason(said)}; {store.remedy(said, Storage(s3=S3(bucket='b', access_key='k')))}" == told


def test_a_file_that_may_be_written_still_is_left_and_counted(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    old, young = tmp_path / "backup/old", tmp_path / "backup/young"
    for path in (old, young):
        path.write_text("sound")
    os.utime(old, (0, 0))
    for rclone, told in (
        ("rm $1/old", "1 delivered, 1 left (1 written in the last 10 s: run the same again)\n"),
        ("touch -d @0 $1/young", "0 delivered, 1 left (1 written in the last 10 s: run the same again)\n"),
        ("rm $1/young", "1 delivered, 0 left\n"),
    ):
        script = f"rclone() {{ shift 14; {rclone}; }}\n{store._DELIVER}"
        run = ["sh", "-c", script, "sh", str(tmp_path / "backup"), "x", ""]
        assert subprocess.run(run, input="\n", capture_output=True, text=True, check=True).stdout == told


def test_a_delivery_with_nothing_to_deliver_changes_nothing(egress: Settings, fake_run: Callable[..., FakeRun]) -> None:
    def answer(_: str, command: str) -> str:
        return "#probe egress.left\n0\n0\n0\n#end" if "sh -s" in command else ""

    run = fake_run(lambda: tasks.deliver(egress), answer=answer)
    assert run.results["lk1"].notes == [
        "egress: no store: files stay on the host, in /var/lib/livekit-metal/egress/files"
    ]
    assert not any("rclone" in command for command in run.commands["lk1"] if "sh -s" not in command)
