"""The programs the lab needs on the outer machine; what is missing is installed from Debian."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from lab.images.sources import KEYRING
from lab.places import MACHINE_WIDE
from lab.run import LabError, run_logged, step, write

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


_POLICY = Path("/usr/sbin/policy-rc.d")


def need_root() -> None:
    """Raises LabError for anybody else; completes PATH, in which su may have left out /usr/sbin."""
    if os.geteuid() != 0:
        raise LabError("python -m lab", "is not run by root", "run it as root, as containers and bridges need")
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def ensure() -> None:
    """Install what is missing. Raises LabError where there is no apt."""
    install(missing(_NEEDED, {str(KEYRING): "debian-archive-keyring"}))


def missing(programs: Mapping[str, str], files: Mapping[str, str]) -> set[str]:
    """The packages of those programs and files that are not on this machine."""
    return {package for program, package in programs.items() if not shutil.which(program)} | {
        package for file, package in files.items() if not Path(file).exists()
    }


def install(wanted: Collection[str]) -> None:
    """Install packages; their daemons are not started. Raises LabError where there is no apt."""
    if not wanted:
        return
    if not shutil.which("apt-get"):
        raise LabError("apt-get", "is not on this machine", "run the lab on Debian 12 or newer")
    MACHINE_WIDE.mkdir(exist_ok=True)
    log = MACHINE_WIDE / "apt.log"
    packages = sorted(wanted)
    with step(f"installing {', '.join(packages)}"), _nothing_starts():
        remedy = "see why; apt must work on this machine"
        run_logged("apt-get update", ["apt-get", "update"], log, remedy)
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        run_logged("apt-get install", install, log, remedy)
    log.unlink()


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    """invoke-rc.d(8) asks this file whether a package may start its daemon."""
    ours = not _POLICY.exists()
    if ours:
        write(_POLICY, "#!/bin/sh\nexit 101\n", 0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink()
