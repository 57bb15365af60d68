"""``python -m lab up --vm`` and ``down`` for virtual machines. Both may be interrupted anywhere and run again."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

from lab import claims, files, network, root
from lab.images import build
from lab.places import MACHINE_WIDE, Lab, host_address, host_names
from lab.run import LabError, in_parallel, lock, say, step, write
from lab.vm import box, daemons, tools, vagrant
from lab.vm.machine import VirtualMachine
from lab.vm.places import dotfile

_LOGIN = "vagrant"


def up(lab: Lab, hosts: int, release: str, arch: str) -> None:
    """Make the machines, or start them again; returns when every host is ready and its tests can log in as root."""
    tools.ensure(arch)
    claims.refuse_foreign(lab)
    file = box.ensure(release, arch)
    daemons.start()
    with lock(MACHINE_WIDE / "claims.lock", "the labs' networks"):
        net = claims.claim(lab)
    names = host_names(hosts)
    facts = json.loads(files.facts(lab, release, net, names))
    facts |= {"vm": True, "arch": arch, "login": _LOGIN, "box": file.stem}
    write(lab.dir / "lab.json", json.dumps(facts, indent=2) + "\n")
    key = root.client_key(lab)
    addresses = {name: host_address(net, name) for name in names}
    write(lab.dir / "ssh_config", files.ssh_config(lab, addresses))
    vagrant.prepare(lab, net, arch, file)
    network.up_outside(lab, net)
    vagrant.up(lab, names)
    (lab.dir / "known_hosts").unlink(missing_ok=True)
    machines = [VirtualMachine(lab, name, str(address)) for name, address in addresses.items()]
    in_parallel(lambda machine: _let_in(machine, key), machines)
    write(dotfile(lab) / "known_hosts", (lab.dir / "known_hosts").read_text())  # where the inventory has it
    in_parallel(_ready, machines)
    say(f"up: {', '.join(names)} ({release}, {arch}, {net}); ssh -F {lab.dir}/ssh_config {names[0]}")


def down(lab: Lab) -> None:
    """Destroy the machines and all that libvirt has of the lab."""
    daemons.start()
    with step("vagrant destroy"):
        vagrant.destroy(lab)
    daemons.stop()


def _let_in(machine: VirtualMachine, key: str) -> None:
    """By the login that Vagrant made: root's authorized_keys, and how apt reaches the archive from here."""
    lab = machine.lab
    private = next((dotfile(lab) / "machines" / machine.host).glob("*/private_key"), None)
    if private is None:
        raise LabError(machine.host, "Vagrant has made no key for it", f"see {lab.dir}/vagrant.log")
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made)
        build.reach_the_archive(tree)
        write(tree / "root/.ssh/authorized_keys", f"{key}\n", 0o600)
        packed = _packed(tree)
    options = [
        *("-F", "/dev/null", "-i", str(private), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
        *("-o", f"UserKnownHostsFile={lab.dir}/known_hosts", "-o", "StrictHostKeyChecking=accept-new"),
    ]
    command = ["ssh", *options, f"{_LOGIN}@{machine.address}", "sudo tar --extract --no-overwrite-dir --directory=/"]
    done = subprocess.run(command, input=packed, capture_output=True, check=False)
    if done.returncode:
        raise LabError(
            machine.host, f"does not let Vagrant's user in: {done.stderr.decode().strip()}", "see its console"
        )


def _packed(tree: Path) -> bytes:
    """As a tar archive whose files are root's."""

    def roots(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        if entry.isdir() and entry.name.endswith("/.ssh"):
            entry.mode = 0o700
        return entry

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in sorted(each.name for each in tree.iterdir()):
            archive.add(tree / name, name, filter=roots)
    return out.getvalue()


def _ready(machine: VirtualMachine) -> None:
    if not machine.up:
        machine.start()
    machine.wait_ready()
