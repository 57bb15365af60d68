"""What virtual machines need on the outer machine, from Debian; nothing of it is started by its installation."""

from __future__ import annotations

from lab import tools

_NEEDED = {
    "dnsmasq": "dnsmasq-base",
    "grub-mkimage": "grub-common",
    "ip": "iproute2",
    "libvirtd": "libvirt-daemon-system",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "sfdisk": "fdisk",
    "ssh": "openssh-client",
    "vagrant": "vagrant",
    "virsh": "libvirt-clients",
}
_FILES = {
    "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
    "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so": "libvirt-daemon-driver-qemu",
    "/usr/share/vagrant-plugins/plugins.d/vagrant-libvirt.json": "vagrant-libvirt",
}


def ensure() -> None:
    """Install what is missing. Raises LabError where there is no apt."""
    tools.ensure()
    tools.install(tools.missing(_NEEDED, _FILES))
