"""The first deploy of a host, killed at its steps, and the removal of what it made: by what the host's disk holds.

A host of its own, of which everything is known from before the first deploy. That a host was deployed by so many runs,
none of them whole, must make no difference to its removal.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.run import wait_until
from tests.faults.conftest import Choice
from tests.support.hosts.deploys import unchanging
from tests.support.hosts.killed_deploys import killed
from tests.support.hosts.lab import INVENTORY, ROOT, Lab, beside

BIN = Path(sys.executable).parent
FRESH = {"LAB": beside("f")}
# What any host writes by itself or apt leaves behind; everything else must be as before.
NOISE = (
    "/var/log/", "/var/cache/", "/var/lib/apt/", "/var/lib/dpkg/", "/var/lib/systemd/", "/var/backups/", "/var/tmp/",
    "/etc/ld.so.cache", "/root/.ssh", "/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/subuid-",
    "/etc/subgid-", "/var/lib/private", "/etc/mtab", "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow",
    "/usr/share/info/dir", "/etc/resolv.conf",
    "__pycache__", "/var/lib/ucf/", "/etc/.pwd.lock", "/etc/.updated", "/var/.updated", "/var/lib/private/",
)  # fmt: skip
# Where the most is half done; with --every-step everywhere.
STEPS = ("base: install", "base: make users", "livekit: push", "firewall: load", "redis: start", "edge: start")
OURS = " /var/log/livekit-metal"  # among what any host writes


def run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = os.environ | FRESH | {"PYINFRA_PROGRESS": "off"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def ssh(command: str) -> str:
    return run(str(BIN / "python"), "-m", "lab", "ssh", "lk1", command).stdout


def remove(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run(
        str(BIN / "pyinfra"),
        "-y",
        INVENTORY,
        "procedures/remove_host.py",
        "--limit",
        "lk1",
        *words,
        check=check,
    )


def state() -> dict[str, set[str]]:
    """What a host is: files with their hash, packages, users, units that are enabled or run, nft tables."""
    roots = "/etc /opt /srv /usr /var /root /home"
    files = ssh(
        f"find {roots} -xdev -type f -exec sha256sum {{}} +; find {roots} -xdev ! -type f -printf '%y %p %l\\n'"
    )
    return {
        "files": {
            line
            for line in files.splitlines()
            if OURS in line or (not any(n in line for n in NOISE) and " /etc/machine-id" not in line)
        },
        "packages": set(ssh("dpkg-query -W -f '${Package} ${Version}\\n'").splitlines()),
        "users": set(ssh("getent passwd; getent group").splitlines()),
        "units": set(ssh("systemctl list-unit-files --state=enabled,masked --no-legend --plain").splitlines()),
        "running": set(
            # whose login is over may have a session of his for some seconds more
            ssh(
                "systemctl list-units --type=service --state=running --no-legend --plain -q | cut -d' ' -f1 | "
                "grep -v ^user@"
            ).split()
        ),
        "tables": set(ssh("nft list tables 2>/dev/null; true").splitlines()),
        "listening": set(ssh("ss -Hlntu | awk '{print $1, $5}'").splitlines()),
    }


@pytest.fixture(scope="module")
def before(lab: Lab) -> Iterator[dict[str, set[str]]]:
    """The state of the host while nothing was deployed."""
    hardened = ["--hardened"] if lab.facts["hardened"] else []
    run(str(BIN / "python"), "-m", "lab", "up", "--hosts", "1", "--release", lab.facts["release"], *hardened)
    try:
        yield state()
    finally:
        run(str(BIN / "python"), "-m", "lab", "down")


@pytest.fixture(scope="module")
def points(before: dict[str, set[str]], steps: Choice) -> list[str]:
    """Where its first deploy was killed; the last run was not, and has succeeded."""
    return killed(INVENTORY, lambda: ssh("flock -w 300 -x /run/livekit-metal.work true"), steps(*STEPS), **FRESH)


def test_what_runs_there_already_is_not_closed_unasked(before: dict[str, set[str]]) -> None:
    # The hosts of a lab have Python's core alone.
    listen = 'import socket, signal; s = socket.create_server(("", 8765)); signal.pause()'
    ssh(f"systemd-run -q --unit=theirs --collect python3 -c '{listen}'")
    try:
        assert wait_until(lambda: "8765" in ssh("ss -Hltn"), seconds=10)
        told = run(str(BIN / "pyinfra"), "-y", INVENTORY, "deploy.py", check=False)
    finally:
        ssh("systemctl stop theirs")
    assert told.returncode != 0
    keep = "{'port': 8765, 'proto': 'tcp', 'purpose': 'python3'} in firewall.open"
    assert keep in told.stdout + told.stderr
    assert state()["files"] == before["files"]


def test_a_first_deploy_that_is_killed_is_finished_by_the_next_run(points: list[str]) -> None:
    for step in STEPS:
        assert any(point.startswith(step) for point in points), f"no run was killed at '{step}': {points}"
    unchanging(INVENTORY, **FRESH)
    assert ssh("curl -s http://127.0.0.1:7880/") == "OK"


@pytest.mark.usefixtures("points")
def test_removal_must_be_meant() -> None:
    done = remove(check=False)
    assert done.returncode != 0
    assert "--data remove=lk1" in done.stdout + done.stderr
    assert "active" in ssh("systemctl is-active livekit-redis")


@pytest.mark.usefixtures("points")
def test_nothing_is_left_and_nothing_else_is_gone(before: dict[str, set[str]]) -> None:
    deployed = state()
    assert deployed["files"] != before["files"], "the deploy left traces: else this would prove nothing"
    remove("--data", "remove=lk1")
    after = state()
    for kind, was in before.items():
        assert sorted(after[kind] - was) == [], f"left behind: {kind}"
        assert sorted(was - after[kind]) == [], f"lost: {kind}"


@pytest.mark.usefixtures("points")
def test_a_second_removal_finds_nothing_to_do_and_does_not_fail() -> None:
    remove("--data", "remove=lk1")
