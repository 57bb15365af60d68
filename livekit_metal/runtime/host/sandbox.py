"""A program in the sandbox of its unit before the unit runs it: what it says there is what it would say as the daemon.

A new release is somebody else's code. To be asked for its version or to check its configuration it needs no rights of
root's, no network, and nothing of the host's but what its unit gives it. Outside of the sandbox a check proves less,
besides: HAProxy compiles regular expressions there which it may not inside (PCRE's JIT needs memory that can be written
and executed).
"""

from __future__ import annotations

from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.runtime.host.commands import read
from livekit_metal.runtime.host.files import Validate

LONGEST = 60  # s
_INSIDE = shell.program(__file__, "inside")
_ALONE = "PrivateNetwork=yes"
# Limits that only a program meets which has gone wrong.
_LIMITS = ("LimitCORE=0", "MemoryMax=1G", "TasksMax=256", f"RuntimeMaxSec={LONGEST}")


def inside(*, network: bool = False) -> tuple[str, str]:
    """The program that runs another one as the daemon of a unit, and properties: scripts/inside.sh says its words.

    Its status is that of the other one; both outputs are passed on.
    """
    return _INSIDE, " ".join((*(() if network else (_ALONE,)), *_LIMITS))


def check(unit: str, command: str, config: str) -> Validate:
    """What has the shell words ``command`` check the file ``config`` as the daemon of the file ``unit``."""
    program, properties = inside()
    # the paths are shell words already, hence no given()
    return lambda new: f"(set -- {new(unit)} {quote(properties)} {command} {new(config)}\n{program})"


def ask_inside(host: Host, unit: str, script: str, *args: str) -> str:
    """What the shell text ``script`` says on ``host`` as the daemon of ``unit``. Raises HostError in its words.

    It cannot ask systemd there, nor anybody over the network.
    """
    program, properties = inside()
    return read(host, program, unit, properties, "/bin/sh", "-c", script, "sh", *args, timeout=2 * LONGEST)
