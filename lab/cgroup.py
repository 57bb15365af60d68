"""One cgroup per host: the kernel's own record of which processes are ours.

A process cannot leave it, its number cannot be reused while it is in it, and every descendant is in it too:
firmer than a pid in a file. The tree is ``livekit-metal/LAB/HOST`` in the unified (v2) hierarchy, made the
way container engines with the "cgroupfs" driver do; it works with and without systemd outside, and on hybrid
machines (there v2 has no controllers: hosts then have no memory or CPU limits).
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from pathlib import Path

from lab.places import Lab
from lab.run import LabError

_TREE = "livekit-metal"
_CONTROLLERS = {"cpu", "cpuset", "io", "memory", "pids"}  # those that systemd uses


def unified(mountinfo: str) -> Path | None:
    """Where ``/proc/self/mountinfo`` says the cgroup2 hierarchy is mounted whole."""
    return _whole(mountinfo, lambda source: source.startswith("cgroup2 "))


def mirror(mountinfo: str) -> Path | None:
    """On a hybrid machine, the v1 hierarchy "systemd", in which systemd-nspawn makes the same directories again."""
    return _whole(mountinfo, lambda source: source.startswith("cgroup ") and source.endswith("name=systemd"))


def _whole(mountinfo: str, is_it: Callable[[str], bool]) -> Path | None:
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split()
        if is_it(source) and fields[3] == "/":
            return Path(fields[4])
    return None


def _top() -> Path:
    found = unified(Path("/proc/self/mountinfo").read_text())
    if found is None:
        raise LabError(
            "/sys/fs/cgroup",
            "this machine has no cgroup2 hierarchy, which systemd in the hosts needs",
            "mount one: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
        )
    return found


def of_lab(lab: Lab) -> Path:
    return _top() / _TREE / lab.name


def of_host(lab: Lab, host: str) -> Path:
    return of_lab(lab) / host


def make(lab: Lab, host: str) -> Path:
    """The host's cgroup, with the controllers that this machine has in the unified hierarchy."""
    home = of_host(lab, host)
    for part in ("loop", "boot"):
        (home / part).mkdir(parents=True, exist_ok=True)
    for level in (_top(), _top() / _TREE, of_lab(lab), home):
        for controller in _CONTROLLERS & {*(level / "cgroup.controllers").read_text().split()}:
            with contextlib.suppress(OSError):  # one that cannot be passed on is done without
                (level / "cgroup.subtree_control").write_text(f"+{controller}")
    return home


def populated(cgroup: Path) -> bool:
    """Whether any process is in it or below."""
    return "populated 1" in _read(cgroup / "cgroup.events")


def pids(cgroup: Path) -> list[int]:
    """Processes directly in it."""
    return [int(pid) for pid in _read(cgroup / "cgroup.procs").split()]


def _read(file: Path) -> str:
    """A file of a cgroup, '' when there is none. One that goes away after it was opened answers ENODEV."""
    try:
        return file.read_text()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return ""
        raise


def kill(cgroup: Path) -> None:
    """SIGKILL to everything in it and below (``cgroup.kill``, Linux 5.14)."""
    with contextlib.suppress(FileNotFoundError):
        (cgroup / "cgroup.kill").write_text("1")


def remove(cgroup: Path) -> None:
    """Remove an empty tree, and the project's own top when it was the last."""
    top = _top()
    _remove(cgroup, top)
    if same := mirror(Path("/proc/self/mountinfo").read_text()):
        _remove(same / cgroup.relative_to(top), same)


def _remove(cgroup: Path, top: Path) -> None:
    if cgroup.exists():
        for path in sorted((p for p in cgroup.rglob("*") if p.is_dir()), reverse=True):
            path.rmdir()
        cgroup.rmdir()
    for parent in cgroup.parents:
        if parent == top:
            return
        with contextlib.suppress(OSError):  # other labs or hosts are in it
            parent.rmdir()
