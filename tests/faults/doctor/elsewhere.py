"""What is broken on this machine, which is the network of the lab's hosts and has their processes: not on the host."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from lab import cgroup
from lab.places import Lab
from livekit_metal.site.model import Site
from tests.faults.doctor.shell import values
from tests.support.hosts.lab import lab

Elsewhere = Callable[[Site, str], AbstractContextManager[None]]

_CPU, _UNIFIED = (
    Path("/sys/fs/cgroup/cpu"),
    Path("/sys/fs/cgroup"),
)  # the first: on a machine with the older hierarchies
PERIOD, QUOTA = 1_000_000, 20_000  # microseconds: most of each second a process gets nothing


def on_the_way(rule: str, host_to_host: str = "") -> Elsewhere:
    """nftables rules between here and the host, and between it and the others. ``{host}`` is its address."""

    @contextlib.contextmanager
    def broken(site: Site, host: str) -> Iterator[None]:
        table = _name()
        rules = f"table inet {table} {{ chain o {{ type filter hook output priority 0; {rule}; }}; }}\n"
        if host_to_host:
            rules += f"table bridge {table} {{ chain f {{ type filter hook forward priority 0; {host_to_host}; }}; }}\n"
        at = {"{host}": site.hosts[host].address, "{six}": site.hosts[host].ipv6 or ""}
        for word, value in at.items():
            rules = rules.replace(word, value)
        _nft(values(rules, site, host))
        try:
            yield
        finally:
            _nft(f"delete table inet {table}\n" + (f"delete table bridge {table}\n" if host_to_host else ""))

    return broken


def _nft(rules: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


@contextlib.contextmanager
def starved(site: Site, host: str) -> Iterator[None]:
    """livekit-server on a host gets a core for a small part of each second."""
    processes = list(_processes(host, "livekit-server"))
    assert processes, "it runs"
    if (_CPU / "cpu.cfs_quota_us").exists():
        homes, group = {pid: _CPU / _group(pid, "cpu") for pid in processes}, _CPU / _name()
        group.mkdir()
        limits = {group / "cpu.cfs_quota_us": str(QUOTA)}
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
    else:
        homes = {pid: group for pid in processes if (group := _UNIFIED / _group(pid, ""))}
        limits = {home / "cpu.max": f"{QUOTA} {PERIOD}" for home in homes.values()}
    before = {file: file.read_text() for file in limits}
    try:
        for file, text in limits.items():
            file.write_text(text)
        for pid in processes:
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for file, text in before.items():
            file.write_text(text)
        for pid, home in homes.items():
            (home / "cgroup.procs").write_text(str(pid))
        if group.parent == _CPU:
            group.rmdir()


def _processes(host: str, name: str) -> Iterator[int]:
    for file in cgroup.of_host(Lab(lab().facts["name"]), host).rglob("cgroup.procs"):
        for pid in cgroup.pids(file.parent):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                yield pid


def _group(pid: int, controller: str) -> str:
    """The group of a process in the hierarchy of a controller ('': the unified one), without its slash."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.lstrip("/")
    raise LookupError(controller)


def _name() -> str:
    return f"tests_doctor_{lab().facts['name']}"
