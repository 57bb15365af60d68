"""Architectures of hosts, named as Debian does, and how programs of another than this machine's run here."""

from __future__ import annotations

import platform
from pathlib import Path

from lab import tools
from lab.run import run

ARCHES = ("amd64", "arm64")
KERNELS = {"amd64": "x86_64", "arm64": "aarch64"}  # what the kernel and QEMU call them
NATIVE = next((arch for arch, name in KERNELS.items() if name == platform.machine()), platform.machine())
_BINFMT = Path("/proc/sys/fs/binfmt_misc")  # binfmt_misc(5): which program runs files of which kind


def ensure(arch: str) -> None:
    """Programs of ``arch`` run here, by qemu-user where they are not native. Raises LabError where there is no apt."""
    name = KERNELS[arch]
    if arch == NATIVE or (_BINFMT / f"qemu-{name}").exists():
        return
    rule = Path(f"/usr/lib/binfmt.d/qemu-{name}.conf")
    tools.install(tools.missing({}, {str(rule): "qemu-user-static"}))  # which tells systemd where it runs
    if not (_BINFMT / "register").exists():
        run("mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT)
    if not (_BINFMT / f"qemu-{name}").exists():
        (_BINFMT / "register").write_text(rule.read_text())
