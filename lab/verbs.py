"""What ``python -m lab`` does. ``up`` and ``down`` may be interrupted anywhere and run again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from lab import cgroup, claims, files, network, root, tools
from lab.images import build
from lab.images.arch import NATIVE
from lab.machine import Machine
from lab.places import MACHINE_WIDE, Lab, host_address, host_names
from lab.run import LabError, in_parallel, lock, say, step, write
from lab.vm import verbs as virtual
from lab.vm.machine import VirtualMachine
from lab.vm.places import is_virtual

DEFAULT_HOSTS = 3
DEFAULT_RELEASE = "bookworm"


def up(
    lab: Lab,
    hosts: int | None,
    release: str | None,
    *,
    hardened: bool = False,
    vm: bool = False,
    arch: str | None = None,
) -> None:
    """Make the lab, or repair it, or give it another number of hosts; returns when every host is ready.

    ``hardened``: as hardening guides want hosts (umask 027), and whoever deploys logs in as a user with sudo.
    ``vm``: virtual machines by Vagrant, of which there is one unless ``hosts`` says otherwise; of ``arch`` (this
    machine's own), which only they can choose.
    """
    tools.need_root()
    tools.ensure()
    with _locked(lab):
        known = _known(lab)
        release = _settle_release(lab, known, release)
        if vm or is_virtual(lab):
            _settle_vm(lab, known)
            arch = _settle_arch(lab, known, arch)
            virtual.up(lab, hosts or (len(known["hosts"]) if known else 1), release, arch)
            return
        if arch not in (None, NATIVE):
            raise LabError(arch, "is not this machine's architecture", "add --vm: containers share its processor")
        hardened = _settle_hardening(lab, known, hardened=hardened)
        before = len(known["hosts"]) if known else DEFAULT_HOSTS
        names = host_names(before if hosts is None else hosts)
        claims.refuse_foreign(lab)
        network.refuse_foreign(lab)
        with lock(MACHINE_WIDE / "claims.lock", "the labs' networks"):
            net = claims.claim(lab)
        write(lab.dir / "lab.json", files.facts(lab, release, net, names, hardened=hardened))
        network.up(lab, net)
        network.warn_of_firewalls(lab)
        for surplus in sorted(_existing(lab) - set(names)):
            with step(f"{surplus}: removing it"):
                _remove(lab, surplus)
        root.clear(lab)
        key = root.client_key(lab)
        if missing := [name for name in names if name not in root.made(lab)]:
            _make(lab, missing, net, release, key, hardened=hardened)
        addresses = {name: host_address(net, name) for name in names}
        _write_access(lab, addresses)
        in_parallel(_power_on, [Machine(lab, name, str(address)) for name, address in addresses.items()])
    say(f"up: {', '.join(names)} ({release}, {net}); ssh -F {lab.dir}/ssh_config {names[0]}")


def down(lab: Lab) -> None:
    """Remove every trace of the lab but the cached images, also of one that is half there or not at all."""
    tools.need_root()
    lab = claims.removable(lab)
    with _locked(lab):
        if is_virtual(lab):
            virtual.down(lab)
        else:
            _remove_all(lab)
        network.down(lab)
        if lab.dir.exists():
            _refuse_mounts(lab.dir)
            shutil.rmtree(lab.dir)
        with lock(MACHINE_WIDE / "claims.lock", "the labs' networks"):
            claims.release(lab)
            if not claims.all_claims():
                (MACHINE_WIDE / "claims.lock").unlink()
        (MACHINE_WIDE / f"{lab.name}.lock").unlink()
    if MACHINE_WIDE.exists() and not any(MACHINE_WIDE.iterdir()):
        MACHINE_WIDE.rmdir()
    say(f"{lab.name} is gone")


def status(lab: Lab, as_json: bool) -> None:
    machines = [machine(lab, host) for host in _need(lab)["hosts"]]
    if as_json:
        rows = [{"host": m.host, "address": m.address, "up": m.up, "pid": m.pid} for m in machines]
        print(json.dumps(rows, indent=2))
        return
    table = [("host", "address", "state", "pid")]
    table += [(m.host, m.address, "up" if m.up else "down", str(m.pid or "-")) for m in machines]
    print(files.table_of(table))


def ssh(lab: Lab, host: str, command: Sequence[str]) -> None:
    """Become ssh."""
    machine(lab, host)
    os.execvp("ssh", ["ssh", "-F", str(lab.dir / "ssh_config"), host, *command])


def reboot(lab: Lab, host: str) -> None:
    with step(f"{host}: rebooting"):
        machine(lab, host).reboot()


def kill(lab: Lab, host: str) -> None:
    """Cut one host's power."""
    tools.need_root()
    machine(lab, host).kill()
    say(f"{host}: power cut; 'python -m lab start {host}' switches it on again")


def start(lab: Lab, host: str) -> None:
    """Switch one host on; nothing to do when it is."""
    tools.need_root()
    with _locked(lab):
        _power_on(machine(lab, host))


def machine(lab: Lab, host: str) -> Machine | VirtualMachine:
    """Raises LabError when the lab has no such host."""
    hosts = _need(lab)["hosts"]
    if host not in hosts:
        raise LabError(host, f"is not a host of the lab {lab.name}", f"choose one of {', '.join(hosts)}")
    return (VirtualMachine if is_virtual(lab) else Machine)(lab, host, hosts[host]["address"])


def _locked(lab: Lab) -> AbstractContextManager[None]:
    return lock(MACHINE_WIDE / f"{lab.name}.lock", lab.name)


def _known(lab: Lab) -> dict[str, Any] | None:
    """lab.json: the lab as it was last asked for."""
    file = lab.dir / "lab.json"
    content: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    return content


def _need(lab: Lab) -> dict[str, Any]:
    known = _known(lab)
    if known is None:
        raise LabError(lab.dir, "is not a lab", "run 'make lab'")
    return known


def _settle_release(lab: Lab, known: dict[str, Any] | None, wanted: str | None) -> str:
    """The lab's release; raises LabError when it has one and another is wanted."""
    has = str(known["release"]) if known else None
    if has and wanted and has != wanted:
        raise LabError(lab.name, f"its hosts are {has}, not {wanted}", "run 'make lab-down' first")
    return has or wanted or DEFAULT_RELEASE


def _settle_hardening(lab: Lab, known: dict[str, Any] | None, *, hardened: bool) -> bool:
    """Whether its hosts are hardened; raises LabError when they are not and it is wanted."""
    has = bool(known.get("hardened")) if known else hardened
    if hardened and not has:
        raise LabError(lab.name, "its hosts are not hardened", "run 'make lab-down' first")
    return has


def _settle_vm(lab: Lab, known: dict[str, Any] | None) -> None:
    """Raises LabError when the lab's hosts are containers."""
    if known and not known.get("vm"):
        raise LabError(lab.name, "its hosts are no virtual machines", "run 'make lab-down' first")


def _settle_arch(lab: Lab, known: dict[str, Any] | None, wanted: str | None) -> str:
    """The machines' architecture; raises LabError when they have one and another is wanted."""
    has = str(known["arch"]) if known else None
    if has and wanted and has != wanted:
        raise LabError(lab.name, f"its machines are {has}, not {wanted}", "run 'make lab-down' first")
    return has or wanted or NATIVE


def _existing(lab: Lab) -> set[str]:
    """Hosts of which there is anything: a directory or processes."""
    groups = cgroup.of_lab(lab)
    running = {path.name for path in groups.iterdir() if path.is_dir()} if groups.exists() else set()
    return running | set(root.made(lab))


def _make(lab: Lab, missing: Sequence[str], net: IPv4Network, release: str, key: str, *, hardened: bool) -> None:
    base = build.ensure(release)
    (lab.dir / "hosts").mkdir(mode=0o700, exist_ok=True)  # the trees hold set-user-id programs
    build.need_space(lab.dir, build.HOST_MEGABYTES * len(missing), ", ".join(missing))
    with step(f"making {', '.join(missing)} from {base.name}"):
        in_parallel(lambda name: root.make(lab, name, net, base, key, hardened=hardened), missing)


def _write_access(lab: Lab, addresses: dict[str, IPv4Address]) -> None:
    keys = {name: root.host_key(lab, name) for name in addresses}
    write(lab.dir / "known_hosts", files.known_hosts(addresses, keys))
    write(lab.dir / "ssh_config", files.ssh_config(lab, addresses))


def _power_on(host: Machine | VirtualMachine) -> None:
    if isinstance(host, VirtualMachine):
        host.start()
        host.wait_ready()
        return
    build.reach_the_archive(host.lab.root(host.host))
    if host.up:
        network.attach(host.lab, host.host)
        host.wait_ready()
        return
    with step(f"{host.host}: booting"):
        host.start()
        host.wait_ready()


def _remove(lab: Lab, host: str) -> None:
    Machine(lab, host).stop()
    root.remove(lab, host)


def _remove_all(lab: Lab) -> None:
    existing = sorted(_existing(lab))
    if existing:
        first, *others = existing
        with step(f"stopping and removing {', '.join(existing)}"):
            # what the others end by (Redis) is on the first in our inventories: without it they would hold out
            in_parallel(lambda host: _remove(lab, host), others)
            _remove(lab, first)
    cgroup.remove(cgroup.of_lab(lab))


def _refuse_mounts(tree: Path) -> None:
    """Raises LabError when something is mounted in a tree that is about to be removed."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mounted = Path(line.split()[4])
        if mounted.is_relative_to(tree):
            raise LabError(mounted, "is mounted inside the lab's directory", f"run 'umount {mounted}' first")
