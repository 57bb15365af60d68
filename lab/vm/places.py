"""What the parts of a lab of virtual machines are called in libvirt and to Vagrant."""

from __future__ import annotations

import json
import os
from ipaddress import IPv4Network
from pathlib import Path

from lab.places import CHECKOUT, Lab

MEMORY = 1536  # MB
SIZE = 8  # GB of a machine's disk, of which it takes what it writes
LIBVIRT = "qemu:///system"
FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"  # of machines of arm64
_RELEASE, _SOURCE = "1.13.5", "module"  # of livekit-server: what can be built from its Go module


def prefix(lab: Lab) -> str:
    """How the names of all that is ours in libvirt begin."""
    return f"livekit-metal-{lab.name}-"


def domain(lab: Lab, host: str) -> str:
    return prefix(lab) + host


def pool(lab: Lab) -> str:
    return prefix(lab) + "disks"


def disks(lab: Lab) -> Path:
    """The pool's directory: QEMU runs as a user who may not look into root's home, where a checkout may be."""
    return Path("/var/lib/libvirt/images") / pool(lab)


def hosts_network(lab: Lab) -> str:
    """The network by which the hosts know each other, on the bridge ``lab.bridge``."""
    return prefix(lab) + "hosts"


def management_network(lab: Lab) -> str:
    """The network by which Vagrant reaches the machines, and they reach Debian's archive."""
    return prefix(lab) + "vagrant"


def management_addresses(network: IPv4Network) -> IPv4Network:
    """The management network beside the hosts' network: 10.91.N.0/24 for 10.90.N.0/24."""
    return IPv4Network((int(network.network_address) + 2**16, network.prefixlen))


def vagrant_home(lab: Lab) -> Path:
    return lab.dir / "vagrant.d"


def dotfile(lab: Lab) -> Path:
    """What `.vagrant` is for others, so that machines of theirs in this checkout are never touched."""
    return lab.dir / "vagrant"


def is_virtual(lab: Lab) -> bool:
    """Whether the hosts of this lab are virtual machines."""
    file = lab.dir / "lab.json"
    return file.exists() and bool(json.loads(file.read_text()).get("vm"))


def environment(lab: Lab) -> dict[str, str]:
    """What Vagrant, the Vagrantfile and inventories/vagrant.py read from the environment."""
    facts = json.loads((lab.dir / "lab.json").read_text())
    return {
        "VAGRANT_HOME": str(vagrant_home(lab)),
        "VAGRANT_DOTFILE_PATH": str(dotfile(lab)),
        "VAGRANT_CWD": str(CHECKOUT),
        "VAGRANT_DEFAULT_PROVIDER": "libvirt",
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_NO_COLOR": "1",
        "LIBVIRT_DEFAULT_URI": LIBVIRT,
        "VM_ARCH": facts["arch"],
        "VM_BOX": facts["box"],
        "VM_COUNT": str(len(facts["hosts"])),
        "VM_NETWORK": str(facts["network"]).rpartition(".")[0],
        "VM_CPUS": "1",
        "VM_MEMORY": os.environ.get("VM_MEMORY", str(MEMORY)),
        "VM_RELEASE": os.environ.get("VM_RELEASE", _RELEASE),
        "VM_SOURCE": os.environ.get("VM_SOURCE", _SOURCE),
    }
