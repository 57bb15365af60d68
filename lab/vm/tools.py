"""What virtual machines need on the outer machine, from Debian; nothing of it is started by its installation."""

from __future__ import annotations

from lab import tools
from lab.images.arch import KERNELS, NATIVE
from lab.vm.places import FIRMWARE

_NEEDED = {
    "dnsmasq": "dnsmasq-base",
    "grub-mkimage": "grub-common",
    "ip": "iproute2",
    "libvirtd": "libvirt-daemon-system",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    "ssh": "openssh-client",
    "vagrant": "vagrant",
    "virsh": "libvirt-clients",
}
_LIBVIRT = f"/usr/lib/{KERNELS[NATIVE]}-linux-gnu/libvirt"
_FILES = {
    f"{_LIBVIRT}/connection-driver/libvirt_driver_qemu.so": "libvirt-daemon-driver-qemu",
    "/usr/share/vagrant-plugins/plugins.d/vagrant-libvirt.json": "vagrant-libvirt",
}


# What makes a machine of an architecture, and what it boots by.
_OF = {
    "amd64": ({"qemu-system-x86_64": "qemu-system-x86"}, {"/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin"}),
    "arm64": ({"qemu-system-aarch64": "qemu-system-arm"}, {FIRMWARE: "u-boot-qemu"}),
}


def ensure(arch: str) -> None:
    """Install what is missing for machines of ``arch``. Raises LabError where there is no apt."""
    tools.ensure()
    programs, files = _OF[arch]
    tools.install(tools.missing(_NEEDED | programs, _FILES | files))
