"""What preflight says of a host for agents with a GPU. Devices and driver are made up: no machine here has any."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.roles.agents.preflight import GPU, LOOK, findings, probes
from livekit_metal.roles.agents.settings import Settings
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.support.values.agents import talking

VERSION = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build  (x)\n"
ALL = ("nvidia0", "nvidiactl", "nvidia-uvm")


def looked(root: Path, version: str, devices: tuple[str, ...]) -> list[str]:
    """What a host with these says."""
    (root / "proc/driver/nvidia").mkdir(parents=True)
    (root / "dev").mkdir()
    if version:
        (root / "proc/driver/nvidia/version").write_text(version)
    for name in (*devices, "null"):
        (root / "dev" / name).touch()
    done = subprocess.run(["sh", "-eu", "-c", LOOK, "sh", str(root)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture
def site(make_site: Callable[[dict[str, Any]], Site]) -> Site:
    return make_site(talking(echo={"gpu": True}, sales={"health": "9620-9622"}))


@pytest.mark.parametrize(
    ("version", "devices", "words"),
    [
        (VERSION, ALL, ""),
        (OPEN, (*ALL, "nvidia1"), ""),
        ("", (), "agents.echo.gpu: lk1 has no driver of NVIDIA's running; install NVIDIA's driver there"),
        ("", ALL, "has no driver of NVIDIA's running"),
        (VERSION, (), "has a driver and no device (/dev/nvidia0, /dev/nvidiactl); see nvidia-smi there"),
        (VERSION, ("nvidiactl", "nvidia-uvm"), "has a driver and no device"),
        (VERSION, ALL[:2], "has no /dev/nvidia-uvm, without which CUDA does not start; make it at boot"),
    ],
)
def test_driver_and_devices_are_looked_for(
    site: Site, tmp_path: Path, version: str, devices: tuple[str, ...], words: str
) -> None:
    stack = site.for_host("lk1")
    answers = {GPU: looked(tmp_path, version, devices)}
    found = [
        str(each.problem) for each in findings(stack.the(Settings), stack.the(Preflight), HostState(answers=answers))
    ]
    assert len(found) == bool(words)
    assert words in "".join(found)


def test_hosts_without_such_a_fleet_are_not_asked(site: Site, make_site: Callable[[dict[str, Any]], Site]) -> None:
    assert [name for name, _ in probes(site.for_host("lk1").the(Settings))] == [GPU]
    assert probes(make_site(talking()).for_host("lk1").the(Settings)) == ()
