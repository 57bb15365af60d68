"""Vagrant, with a home of the lab's own: what of this machine is not in the Vagrantfile stands there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path

from lab.images.arch import NATIVE
from lab.places import Lab, gateway
from lab.run import LabError, run, run_logged, step, succeeds, write
from lab.vm.places import (
    FIRMWARE,
    LIBVIRT,
    disks,
    dotfile,
    environment,
    hosts_network,
    management_addresses,
    management_network,
    pool,
    prefix,
    vagrant_home,
)

# What NumPy's wheels ask for at least (x86-64-v2), which the usual qemu64 is not.
_MODELS = {"amd64": "Westmere", "arm64": "cortex-a72"}
# vagrant-libvirt's own defaults are a PC's
_BOARDS: dict[str, dict[str, object]] = {
    "amd64": {},
    "arm64": {"machine_arch": "aarch64", "machine_type": "virt", "loader": FIRMWARE, "features": []},
}
_REMEDY = "see why; then run the same command again"


def has_kvm() -> bool:
    """Whether processors can be lent to machines here: a device is not enough, it must know how."""
    flags = Path("/proc/cpuinfo").read_text()
    return Path("/dev/kvm").exists() and (" vmx" in flags or " svm" in flags)


def home_vagrantfile(lab: Lab, network: IPv4Network, arch: str, *, kvm: bool) -> str:
    """Vagrant reads it before the Vagrantfile of the checkout, and merges both."""
    emulated = {"driver": "qemu", "cpu_mode": "custom", "cpu_model": _MODELS[arch], "cpu_fallback": "allow"}
    settings = {
        **({"driver": "kvm", "cpu_mode": "host-passthrough"} if kvm else emulated),
        **_BOARDS[arch],
        "default_prefix": prefix(lab),
        "storage_pool_name": pool(lab),
        "management_network_name": management_network(lab),
        "management_network_address": str(management_addresses(network)),
        "graphics_type": "none",
        "memballoon_enabled": False,
    }
    lines = "\n".join(f"    libvirt.{name} = {json.dumps(value)}" for name, value in settings.items())
    if arch == "arm64":
        lines += '\n    libvirt.input type: "keyboard", bus: "virtio"'
    return (
        f'Vagrant.configure("2") do |config|\n  config.vm.boot_timeout = 600\n'
        f'  config.vm.box_check_update = false\n  config.vm.provider "libvirt" do |libvirt|\n{lines}\n  end\nend\n'
    )


def pool_xml(lab: Lab) -> str:
    return f"<pool type='dir'><name>{pool(lab)}</name><target><path>{disks(lab)}</path></target></pool>"


def network_xml(lab: Lab, network: IPv4Network) -> str:
    """The hosts' network: on a bridge with the lab's name, without a way out and without DHCP."""
    return (
        f"<network><name>{hosts_network(lab)}</name><bridge name='{lab.bridge}' stp='off' delay='0'/>"
        f"<ip address='{gateway(network)}' netmask='{network.netmask}'/></network>"
    )


def prepare(lab: Lab, network: IPv4Network, arch: str, box: Path) -> None:
    """Home, box, pool and hosts' network; nothing of it is made twice."""
    write(vagrant_home(lab) / "Vagrantfile", home_vagrantfile(lab, network, arch, kvm=arch == NATIVE and has_kvm()))
    if environment(lab)["VM_BOX"] not in run_vagrant(lab, "box", "list"):
        with step("box into the lab's Vagrant home"):
            run_vagrant(lab, "box", "add", "--name", environment(lab)["VM_BOX"], str(box))
    disks(lab).mkdir(mode=0o711, parents=True, exist_ok=True)
    if not virsh_succeeds("pool-info", pool(lab)):
        virsh("pool-create", _file(lab, "pool.xml", pool_xml(lab)))
    if not virsh_succeeds("net-info", hosts_network(lab)):
        virsh("net-define", _file(lab, "network.xml", network_xml(lab, network)))
    if hosts_network(lab) not in virsh("net-list", "--name"):
        virsh("net-start", hosts_network(lab))


def up(lab: Lab, hosts: Iterable[str]) -> None:
    """``vagrant up``; machines that run are left alone. Raises LabError when one does not answer."""
    with step(f"vagrant up {' '.join(hosts)}"):
        command = ["env", *(f"{name}={value}" for name, value in environment(lab).items()), "vagrant", "up"]
        run_logged("vagrant up", [*command, "--provider=libvirt"], lab.dir / "vagrant.log", _REMEDY)


def destroy(lab: Lab) -> None:
    """``vagrant destroy``, and then whatever of the lab libvirt still has."""
    if (lab.dir / "lab.json").exists() and dotfile(lab).exists():
        run_vagrant(lab, "destroy", "--force")
    for name in _named(lab, "list", "--all", "--name"):
        virsh_succeeds("destroy", name)
        virsh("undefine", name, "--nvram")
    for name in _named(lab, "net-list", "--all", "--name"):
        virsh_succeeds("net-destroy", name)
        virsh_succeeds("net-undefine", name)
    if virsh_succeeds("pool-info", pool(lab)):
        virsh("pool-destroy", pool(lab))
    if disks(lab).exists():
        shutil.rmtree(disks(lab))


def run_vagrant(lab: Lab, *words: str) -> str:
    command = ["vagrant", *words]
    done = subprocess.run(command, env=os.environ | environment(lab), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).replace("\n", " | ")
        raise LabError(" ".join(command), f"ended with {done.returncode}: {said}", "see its message")
    return done.stdout


def virsh(*words: str | Path) -> str:
    return run("virsh", "-c", LIBVIRT, *words)


def virsh_succeeds(*words: str | Path) -> bool:
    return succeeds("virsh", "-c", LIBVIRT, *words)


def _named(lab: Lab, *words: str) -> list[str]:
    return [name for name in virsh(*words).split() if name.startswith(prefix(lab))]


def _file(lab: Lab, name: str, text: str) -> Path:
    path = lab.dir / name
    write(path, text)
    return path
