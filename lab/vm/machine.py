"""One virtual machine: start, wait until it is ready, reboot, cut its power. Like ``lab.machine``, by libvirt."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.places import Lab
from lab.run import LabError, say, wait_until
from lab.vm.places import domain
from lab.vm.vagrant import virsh

READY_SECONDS = 300.0  # for SSH, and again for systemd's last job: an emulated processor is slow
REBOOT_SECONDS = 420.0  # a host may take 120 s to shut down while it drains
_BOOT = "cat /proc/sys/kernel/random/boot_id"
_SETTLED = "systemctl is-system-running --wait; systemctl --failed --plain --no-legend"


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    lab: Lab
    host: str
    address: str = ""

    @property
    def up(self) -> bool:
        return virsh("domstate", domain(self.lab, self.host)).strip() == "running"

    @property
    def pid(self) -> int | None:
        """QEMU's process."""
        file = Path(f"/run/libvirt/qemu/{domain(self.lab, self.host)}.pid")
        return int(file.read_text()) if file.exists() else None

    def start(self) -> None:
        virsh("start", domain(self.lab, self.host))

    def kill(self) -> None:
        """Cut the power: what the machine had not asked its disk to keep is gone."""
        virsh("destroy", domain(self.lab, self.host))

    def wait_ready(self) -> str:
        """Wait for SSH and then for systemd's last job; its word for the outcome (running, degraded).

        Raises LabError when it does not answer in time or stays in another state.
        """
        answer = wait_until(lambda: self._says(_SETTLED), READY_SECONDS, every=0.5)
        if not answer:
            raise LabError(self.host, f"did not answer SSH within {READY_SECONDS:.0f} s", f"virsh console {self.host}")
        state, _, failed = answer.strip().partition("\n")
        if state not in ("running", "degraded"):
            look = f"look: {shlex.join(self._ssh_words)} systemctl status"
            raise LabError(self.host, f"says {state!r} instead of running", look)
        if failed:
            say(f"{self.host}: failed units: {', '.join(line.split()[0] for line in failed.splitlines())}")
        return state

    def reboot(self) -> None:
        """Reboot from inside and wait until it is ready again."""
        before = self._says(_BOOT)
        self._says("systemctl reboot")
        if not wait_until(lambda: self._says(_BOOT) not in ("", before), REBOOT_SECONDS, every=0.5):
            raise LabError(self.host, f"has not rebooted within {REBOOT_SECONDS:.0f} s", "see its journal")
        self.wait_ready()

    @property
    def _ssh_words(self) -> list[str]:
        return ["ssh", "-F", str(self.lab.dir / "ssh_config"), self.host]

    def _says(self, command: str) -> str:
        """What a command prints there; nothing while SSH does not answer."""
        words = [*self._ssh_words, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", command]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=READY_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        return "" if done.returncode == 255 else done.stdout
