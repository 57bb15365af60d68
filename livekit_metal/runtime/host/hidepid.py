"""/proc of a host that shows accounts only their own processes, for daemons that put secrets into arguments.

A sandbox of the daemon's own unit does not help: it limits what the daemon sees, not who sees it.
"""

from __future__ import annotations

from livekit_metal.core import shell
from livekit_metal.core.slots.decision import HIDEPID as UNIT
from livekit_metal.core.slots.decision import SEEING, SEES, SIGHT
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action

# Says "hidden" where other accounts see nothing; as a number, or since Linux 5.8 as a word (proc(5)).
LOOK = (
    "grep -qE '^[^ ]+ /proc proc [^ ]*\\bhidepid=(1|2|4|noaccess|invisible|ptraceable)\\b' /proc/mounts && echo hidden"
)
_PROBE = ("hidepid", shell.given(shell.program(__file__, "hidepid"), LOOK, SEES, *SEEING))
# Never open in between. Restarted, logind keeps its sessions; who does not run gets the group at its next start.
_ENABLE = """systemctl daemon-reload; systemctl -q enable $1; systemctl reload-or-restart $1 || exit; shift
for u in "$@"; do systemctl -q try-restart $u 2>/dev/null || :; done"""


def _files() -> tuple[File, ...]:
    sees = f"[Service]\nSupplementaryGroups={SEES}\n"
    return (
        File(f"{UNITS}/{UNIT}", files.text("runtime/livekit-hidepid.service.j2", hidepid={"sees": SEES})),
        *(File(f"{UNITS}/{unit}.d/{SIGHT}", sees) for unit in SEEING),
    )


def needs() -> StateQuery:
    """What must be seen before :func:`steps`."""
    return files.needs(_files()) | StateQuery(units=frozenset({UNIT}), queries=(_PROBE,))


def actions(seen: HostState) -> tuple[Action, ...]:
    """Hide the processes, now and at every boot."""
    write = files.bundle(_files(), seen)
    if not write and seen.answers[_PROBE[0]] == ["hidden"] and seen.unit(UNIT, "UnitFileState") == "enabled":
        return ()
    return (*write, Action("hide processes from other accounts", lambda host: run(host, _ENABLE, UNIT, *SEEING)))
