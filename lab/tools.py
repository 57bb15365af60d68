"""The programs the lab needs on the outer machine; what is missing is installed from Debian."""

from __future__ import annotations

import os
import shutil

from lab.images.sources import KEYRING
from lab.places import MACHINE_WIDE
from lab.run import LabError, run_logged, step

_NEEDED = {
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}


def need_root() -> None:
    """Raises LabError for anybody else; completes PATH, in which su may have left out /usr/sbin."""
    if os.geteuid() != 0:
        raise LabError("python -m lab", "is not run by root", "run it as root, as containers and bridges need")
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def ensure() -> None:
    """Install what is missing. Raises LabError where there is no apt."""
    missing = {package for program, package in _NEEDED.items() if not shutil.which(program)}
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise LabError("apt-get", "is not on this machine", "run the lab on Debian 12 or newer")
    MACHINE_WIDE.mkdir(exist_ok=True)
    log = MACHINE_WIDE / "apt.log"
    packages = sorted(missing)
    with step(f"installing {', '.join(packages)}"):
        remedy = "see why; apt must work on this machine"
        run_logged("apt-get update", ["apt-get", "update"], log, remedy)
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        run_logged("apt-get install", install, log, remedy)
    log.unlink()
