"""A program in the sandbox of its unit before the unit runs it: what it says there is what it would say as the daemon.

A new release is somebody else's code. To be asked for its version or to check its configuration it needs no rights of
root's, no network, and nothing of the host's but what its unit gives it. Outside of the sandbox a check proves less,
besides: HAProxy compiles regular expressions there which it may not inside (PCRE's JIT needs memory that can be written
and executed).
"""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.runtime.host.commands import read
from livekit_metal.runtime.host.files import Validate

LONGEST = 60  # s
# What is taken over from the unit's file: who runs it, with which secrets, and what it may. No directory, no command.
_TAKEN = (
    "User=|Group=|EnvironmentFile=|UMask=|CapabilityBoundingSet=|LockPersonality=|MemoryDenyWriteExecute=|NoNewPrivileges="
    "|Private|ProcSubset=|Protect|Restrict[A-Z]|SystemCall"
)
_ALONE = "PrivateNetwork=yes"
# Limits that only a program meets which has gone wrong.
_LIMITS = ("LimitCORE=0", "MemoryMax=1G", "TasksMax=256", f"RuntimeMaxSec={LONGEST}")


def inside(unit: str, command: str, *, network: bool = False) -> str:
    """Shell text that runs the shell words ``command`` as the daemon whose unit (or drop-in) is the file ``unit``.

    ``unit`` is a shell word, too. The status is that of the command; both of its outputs are passed on.
    """
    more = " ".join(f"--property={each}" for each in (*(() if network else (_ALONE,)), *_LIMITS))
    read = f"sed -nE 's/^(({_TAKEN}).*)$/--property=\\1/p' {unit}"
    lacks = f"{unit} says not as whom"  # never as root for want of a unit
    return f"""(p=$({read}); case $p in *--property=User=*) ;; *) echo {lacks} >&2; exit 1 ;; esac
IFS='\n'; set -f; exec systemd-run --quiet --pipe --wait --collect $p {more} {command})"""


def check(unit: str, command: str, config: str) -> Validate:
    """What has the shell words ``command`` check the file ``config`` as the daemon of the file ``unit``."""
    return lambda new: inside(new(unit), f"{command} {new(config)}")


def ask_inside(host: Host, unit: str, script: str, *args: str) -> str:
    """What the shell text ``script`` says on ``host`` as the daemon of ``unit``. Raises HostError in its words.

    It cannot ask systemd there, nor anybody over the network.
    """
    run = inside('"$unit"', '/bin/sh -c "$@"')
    return read(host, f"unit=$1; shift\n{run}", unit, script, "sh", *args, timeout=2 * LONGEST)
