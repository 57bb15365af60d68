"""What the ingress role plans from what it sees."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from livekit_metal.core.slots.decision import GUARD
from livekit_metal.roles.ingress import tasks
from livekit_metal.roles.ingress.settings import Settings
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host import hidepid
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site

METRICS = """# HELP livekit_ingress_requests x
livekit_ingress_available{node_id="NE_1"} 1
livekit_ingress_requests{node_id="NE_1",transcoding="true",type="rtmp"} 2
livekit_ingress_requests{node_id="NE_1",transcoding="false",type="whip"} 1
livekit_node_cpu_load{node_id="NE_1",node_type="INGRESS"} 0.02
"""


@pytest.fixture
def ingress(streaming_site: Site, no_download: None) -> Settings:
    found = streaming_site.for_host("lk1").ingress
    assert found is not None
    return found


@pytest.fixture
def wanted(ingress: Settings) -> Generation:
    return tasks.Ingress(ingress).desired()[1]


def host(active: str = "", **slots: str) -> HostState:
    """A host with ``slots`` given as "ActiveState generation"."""
    units = {GUARD: {"ActiveState": "active", "UnitFileState": "enabled"}}
    for slot, text in slots.items():
        state, _, generation = text.partition(" ")
        units[Settings.unit.format(slot)] = {"ActiveState": state, "Stamp": generation}
    names = ("generations", "releases")
    probes = {"ingress.active": [active] if active else [], **{f"ingress.{name}": [] for name in names}}
    return HostState(units=units, answers=probes)


def names(todo: Plan) -> list[str]:
    return [step.name for step in todo.actions]


def test_processes_are_hidden_before_any_stream_can_begin(ingress: Settings, wanted: Generation) -> None:
    slot = ingress.slots[0]
    hiding = dataclasses.replace(ingress, process_list="hide")
    seen = host(slot, **{slot: f"active {wanted.name}"})
    seen.answers["hidepid"] = []
    part = tasks.Ingress(hiding).activate()
    assert names(part.plan(seen)) == [
        "write livekit-hidepid.service, 50-livekit-hidepid.conf, 50-livekit-hidepid.conf",
        "hide processes from other accounts",
    ]
    seen.files = {f.path: f.sha256 for f in hidepid._files()}
    seen.stat = {f.path: (f.mode, f.user, f.group) for f in hidepid._files()}
    seen.units[hidepid.UNIT] = {"UnitFileState": "enabled"}
    assert names(part.plan(seen)) == ["hide processes from other accounts"], "somebody has mounted /proc again"
    seen.answers["hidepid"] = ["hidden"]
    assert part.plan(seen).actions == ()


@pytest.mark.parametrize(
    ("options", "groups", "said"),
    [
        ("rw,hidepid=invisible", "0 990", ""),
        ("rw,gid=991,hidepid=2", "0 990", ""),
        ("rw,gid=990,hidepid=2", "0", ""),
        ("rw,gid=990,hidepid=2", "0 990", "hidden"),
        ("rw,gid=990", "0 990", ""),
    ],
    ids=["as before", "another group", "logind has not got it yet", "done", "open"],
)
def test_it_is_done_when_logind_sees_what_others_do_not(tmp_path: Path, options: str, groups: str, said: str) -> None:
    (tmp_path / "mounts").write_text(f"proc /proc proc {options} 0 0\n")
    (tmp_path / "77").mkdir()
    (tmp_path / "77/status").write_text(f"Name:\tx\nGroups:\t{groups} \n")
    systemd = (
        'systemctl() { case "$*" in *logind*) echo 77 ;; *) echo 0 ;; esac; }; getent() { echo livekit-proc:x:990:; }'
    )
    look = (
        hidepid.needs()
        .queries[0][1]
        .replace("/proc/mounts", f"{tmp_path}/mounts")
        .replace("/proc/$p", f"{tmp_path}/$p")
    )
    done = subprocess.run(["sh", "-c", f"{systemd}\n{look}"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("rw,nosuid,nodev,noexec,relatime", ""),
        ("rw,hidepid=invisible", "hidden"),
        ("rw,hidepid=2,gid=4", "hidden"),
        ("rw,gid=4,hidepid=1", "hidden"),
        ("rw,hidepid=off", ""),
        ("rw,hidepid=0,subset=pid", ""),
    ],
)
def test_whether_proc_hides_processes_is_read_from_its_mount(options: str, said: str) -> None:
    mounts = f"sysfs /sys sysfs rw 0 0\nproc /proc proc {options} 0 0\nproc /x/proc proc rw,hidepid=2 0 0\n"
    look = hidepid.LOOK.replace("/proc/mounts", "/dev/stdin")
    done = subprocess.run(["sh", "-c", look], input=mounts, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == said


def test_streams_of_every_kind_are_counted(ingress: Settings) -> None:
    """As the slot's own metrics tell; the shell text runs here, with a curl that says what they say."""

    def streams(metrics: str, status: int = 0) -> str:
        text = f"slot=a; port() {{ echo 1; }}; curl() {{ printf '%s' \"$SAID\"; return {status}; }}\n{tasks._OCCUPANCY}"
        done = subprocess.run(
            ["sh", "-c", text],
            capture_output=True,
            text=True,
            check=False,
            env={"SAID": metrics, "PATH": "/usr/bin:/bin"},
        )
        return done.stdout.strip()

    assert streams(METRICS) == "a sessions 3"
    assert streams("livekit_ingress_available{} 1\n") == "a sessions 0", "none has come yet"
    assert streams("", 7) == "", "it does not answer: not known"


def test_what_drains_is_told_in_streams(ingress: Settings) -> None:
    component = tasks.Ingress(ingress)
    slot = ingress.slots[0]
    lines = ["only draining", f"{slot} state deactivating", f"{slot} stamp g", f"{slot} sessions 2", "end"]
    assert component.describe(lines) == (f"slot {slot} drains: 2 streams",)
    assert component.count(lines) == 2
