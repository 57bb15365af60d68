"""Programs of the kit, run on this machine instead of on a host."""

from __future__ import annotations

import subprocess

from livekit_metal.runtime.host.commands import HostError


def run_here(_host: None, script: str, *args: str) -> str:
    """``sh`` of the kit, on this machine."""
    done = subprocess.run(["sh", "-c", script, "sh", *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostError(done.stderr)
    return done.stdout
