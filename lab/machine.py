"""One host as a running machine: start, wait until it is ready, stop, kill."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab import cgroup, network
from lab.places import Lab
from lab.run import LabError, run, say, tail, wait_until

STOP_SECONDS = 30.0  # for a clean end, before SIGKILL
READY_SECONDS = 90.0  # for SSH, and again for systemd's last job
REBOOT_SECONDS = 180.0  # a host may take 120 s to shut down while it drains

_BOOT = Path(__file__).with_name("boot.sh")
_NSPAWN_RUN = Path("/run/systemd/nspawn")


def _number_within(pid: int) -> int:
    """The number that a process has in its own PID namespace (proc(5), NSpid); 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return 0


@dataclass(frozen=True, slots=True)
class Machine:
    """``address`` may be empty where the host is only to be stopped."""

    lab: Lab
    host: str
    address: str = ""

    @property
    def cgroup(self) -> Path:
        return cgroup.of_host(self.lab, self.host)

    @property
    def up(self) -> bool:
        """Whether its systemd runs, and the loop that starts it again after a reboot."""
        return self.pid is not None and bool(cgroup.pids(self.cgroup / "loop"))

    @property
    def pid(self) -> int | None:
        """Its systemd, as the outer machine counts."""
        found = cgroup.pids(self.cgroup / "boot/payload/init.scope")
        # the scope also holds what systemd has just forked, and numbers wrap: the smallest may be a child
        return next((pid for pid in found if _number_within(pid) == 1), None)

    def start(self) -> None:
        """Power on; returns when it has a process. What is left of a former life is killed first."""
        if cgroup.populated(self.cgroup):
            say(f"{self.host}: killing what is left of it")
        self.kill()  # also waits until the former link is gone
        root = self.lab.root(self.host)
        home = cgroup.make(self.lab, self.host)
        command = [
            *("/bin/sh", str(_BOOT), str(home)),
            *("systemd-nspawn", "--quiet", "--boot", f"--directory={root}"),
            *(f"--machine={self.lab.machine(self.host)}", f"--hostname={self.host}"),
            *(f"--network-bridge={self.lab.bridge}", "--resolv-conf=off", "--timezone=off"),
            *("--link-journal=no", "--register=no", "--keep-unit", "--console=pipe"),
            "--kill-signal=SIGRTMIN+4",
        ]
        with self.lab.boot_log(self.host).open("wb") as log:
            loop = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        wait_until(lambda: cgroup.populated(home) or loop.poll() is not None, STOP_SECONDS)

    def wait_ready(self) -> str:
        """Wait for SSH and then for systemd's last job; its word for the outcome (running, degraded).

        Raises LabError when the host ends meanwhile, does not answer in time, or stays in another state.
        """
        answer = wait_until(self._ask, READY_SECONDS)
        if answer is None:
            raise self._failed(f"did not answer SSH within {READY_SECONDS:.0f} s")
        state, _, failed = answer.stdout.strip().partition("\n")
        if state not in ("running", "degraded"):
            fact = f"says {state or answer.stderr.strip()!r} instead of running"
            raise LabError(self.host, fact, f"look: {shlex.join(self._ssh_words)} systemctl status")
        if failed:
            say(f"{self.host}: failed units: {', '.join(line.split()[0] for line in failed.splitlines())}")
        return state

    def _ask(self) -> subprocess.CompletedProcess[str] | None:
        """How it is; None while SSH does not answer."""
        if not cgroup.populated(self.cgroup):
            raise self._failed("ended while it booted")
        told = self._ssh("systemctl is-system-running --wait; systemctl --failed --plain --no-legend")
        # no word at all: SSH answers already (or still), and systemd does not
        return None if told.returncode == 255 or not told.stdout.strip() else told

    def _failed(self, fact: str) -> LabError:
        log = self.lab.boot_log(self.host)
        return LabError(self.host, f"{fact}; {log} ends: {tail(log, 5)!r}", "see there, or 'make lab-down' first")

    @property
    def _ssh_words(self) -> list[str]:
        return ["ssh", "-F", str(self.lab.dir / "ssh_config"), self.host]

    def _ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        words = [*self._ssh_words, "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", command]
        try:
            return subprocess.run(words, capture_output=True, text=True, check=False, timeout=READY_SECONDS)
        except subprocess.TimeoutExpired:
            fact = f"'{command}' has not ended after {READY_SECONDS:.0f} s"
            raise LabError(self.host, fact, f"look: {shlex.join(self._ssh_words)} systemctl list-jobs") from None

    def reboot(self) -> None:
        """Reboot from inside and wait until it is ready again."""
        before = self.pid
        told = self._ssh("systemctl reboot")
        if told.returncode not in (0, 255):  # 255: the connection broke, as it may
            raise LabError(self.host, f"refuses to reboot: {told.stderr.strip()}", "see its journal")
        if not wait_until(lambda: self.pid not in (None, before), REBOOT_SECONDS):
            raise LabError(self.host, f"has not rebooted within {REBOOT_SECONDS:.0f} s", "see its journal")
        self.wait_ready()

    def stop(self) -> None:
        """Power off cleanly, SIGKILL after STOP_SECONDS; remove what systemd-nspawn leaves."""
        if self.up and self.lab.root(self.host).exists():  # without its files it could not end by itself
            for pid in cgroup.pids(self.cgroup / "boot/supervisor"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not cgroup.populated(self.cgroup), STOP_SECONDS)
        self.kill()
        self.tidy()

    def kill(self) -> None:
        """Cut the power: SIGKILL to every process of the host; returns when they and its link are gone."""
        cgroup.kill(self.cgroup)
        if not wait_until(lambda: not cgroup.populated(self.cgroup), STOP_SECONDS):
            raise LabError(self.cgroup, "its processes outlive SIGKILL", "reboot this machine")
        network.unplug(self.lab, self.host)

    def tidy(self) -> None:
        """Remove the cgroup and what systemd-nspawn leaves behind after a SIGKILL."""
        cgroup.remove(self.cgroup)
        for place in ("propagate", "unix-export"):
            left = _NSPAWN_RUN / place / self.lab.machine(self.host)
            if left.is_mount():
                run("umount", left)
            if left.is_dir():
                left.rmdir()
        root = self.lab.root(self.host)
        root.with_name(f".#{root.name}.lck").unlink(missing_ok=True)
        if root.exists():
            seen = root.stat()
            (_NSPAWN_RUN / "locks" / f"inode-{seen.st_dev}:{seen.st_ino}").unlink(missing_ok=True)
