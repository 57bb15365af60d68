"""What is wrong with a host for fleets of agents. Pure; every finding reads ``path: fact; remedy``."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.core import shell
from livekit_metal.core.errors import Problem
from livekit_metal.roles.agents.settings import Settings
from livekit_metal.roles.preflight.finding import Finding
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.runtime.host.state import HostState

GPU = "preflight.gpu"
LOOK = shell.program(__file__, "gpu")


def probes(own: Settings) -> tuple[tuple[str, str], ...]:
    """What preflight asks of a host besides: its GPUs, where a fleet wants one."""
    return ((GPU, shell.given(LOOK, "")),) if any(fleet.gpu for fleet in own.daemons) else ()


def findings(own: Settings, preflight: Preflight, seen: HostState) -> Iterator[Finding]:
    """What its answers say."""
    for fleet in own.daemons:
        if fleet.gpu:
            yield from _gpu(f"{fleet.path}.gpu", preflight.host, seen.answers[GPU])


def _gpu(path: str, host: str, answers: list[str]) -> Iterator[Finding]:
    drivers = [line for line in answers if line.startswith("driver ")]
    devices = {line.removeprefix("device ") for line in answers if line.startswith("device ")}
    cards = devices - {"nvidiactl", "nvidia-uvm"}
    if not drivers:
        remedy = (
            "install NVIDIA's driver there (Debian: nvidia-driver, of non-free) and reboot it, or leave the host out"
        )
        yield Finding(Problem(path, f"{host} has no driver of NVIDIA's running", remedy))
    elif not cards or "nvidiactl" not in devices:
        remedy = "see nvidia-smi there: it makes them, and says why it cannot"
        yield Finding(Problem(path, f"{host} has a driver and no device (/dev/nvidia0, /dev/nvidiactl)", remedy))
    elif "nvidia-uvm" not in devices:
        remedy = "make it at boot: nvidia-persistenced, or nvidia-modprobe -u -c 0; a worker may load no driver"
        yield Finding(Problem(path, f"{host} has no /dev/nvidia-uvm, without which CUDA does not start", remedy))
