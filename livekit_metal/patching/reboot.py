"""A reboot in the middle of a run: the connection and the locks of the run come back with the host."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from pyinfra.api.host import Host

from livekit_metal.runtime.host.commands import read, run
from livekit_metal.runtime.host.wait import poll
from livekit_metal.runtime.run import lock

WITHIN = 900.0  # s: servers that test their memory take minutes
_EVERY = 1.0  # s
_BOOT = "cat /proc/sys/kernel/random/boot_id"
# the command returns before the connection goes
_GO = "(sleep 1; systemctl reboot) </dev/null >/dev/null 2>&1 &"
_UP = "timeout 300 systemctl is-system-running --wait || :"


def reboot(host: Host) -> str:
    """Reboot and wait until systemd has started everything; a note with the time. Raises HostError after WITHIN s."""
    before, began = read(host, _BOOT), time.monotonic()
    run(host, _GO)
    poll(f"{host.name} to come back", lambda: _back(host, before), within=WITHIN, every=_EVERY)
    read(host, _UP, timeout=330)
    lock.again(host)
    return f"rebooted, away for {time.monotonic() - began:.0f} s"


def _back(host: Host, before: str) -> bool:
    """Whether it answers after another boot. pyinfra's own disconnect would end the run with its last table."""
    connector: Any = host.connector
    with contextlib.suppress(Exception):
        connector.disconnect()
        connector.client.close()
    try:
        connector.connect()
        return read(host, _BOOT, timeout=10) != before
    except Exception:  # whatever it is, it is not back
        return False
