"""/proc of a host that shows accounts only their own processes, for daemons that put secrets into arguments.

A sandbox of the daemon's own unit does not help: it limits what the daemon sees, not who sees it.
"""

from __future__ import annotations

from roles._kit import files
from roles._kit.change import sh
from roles._kit.files import File
from roles._kit.look import Needs, Seen
from roles._kit.plan import Step
from roles._kit.service import UNITS
from stack.slots import HIDEPID as UNIT

# Says "hidden" where other accounts see nothing; as a number, or since Linux 5.8 as a word (proc(5)).
LOOK = (
    "grep -qE '^[^ ]+ /proc proc [^ ]*\\bhidepid=(1|2|4|noaccess|invisible|ptraceable)\\b' /proc/mounts && echo hidden"
)
_PROBE = ("hidepid", LOOK)
_ENABLE = "systemctl daemon-reload; systemctl -q enable $1; systemctl restart $1"


def _unit() -> File:
    return File(f"{UNITS}/{UNIT}", files.text("_kit/livekit-hidepid.service.j2"))


def needs() -> Needs:
    """What must be seen before :func:`steps`."""
    return files.needs((_unit(),)) | Needs(units=frozenset({UNIT}), probes=(_PROBE,))


def steps(seen: Seen) -> tuple[Step, ...]:
    """Hide the processes, now and at every boot."""
    write = files.bundle((_unit(),), seen)
    if not write and seen.probes[_PROBE[0]] == ["hidden"] and seen.unit(UNIT, "UnitFileState") == "enabled":
        return ()
    return (*write, Step("hide processes from other accounts", lambda host: sh(host, _ENABLE, UNIT)))
