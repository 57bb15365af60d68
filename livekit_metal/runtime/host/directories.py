"""Our directories on a host can be entered by the daemons' accounts, whatever umask they were once made under.

What lies in them is protected by its own mode (0600, 0640). They are root's, and 0755: but for those of images, whose
set-user-ID programs are kept from everybody (release.py), and for what a daemon owns itself.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from livekit_metal.core import shell
from livekit_metal.runtime.artifacts.push import TREE
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action
from livekit_metal.runtime.slots.switchover import RUN

_PROBE = "directories"
_LOOK = shell.program(__file__, "directories")


def needs(config: str, releases: str, state: str) -> StateQuery:
    """What to look at where these are the site's paths."""
    roots = [path.rstrip("/") for path in (config, releases, state)]
    above = {str(parent) for root in roots for parent in PurePosixPath(root).parents} - {"/"}
    words = (f"{roots[0]} {roots[1]}", f"{roots[2]} {RUN}", " ".join(sorted(above)), " ".join(sorted({*roots, *above})))
    return StateQuery(queries=((_PROBE, shell.given(_LOOK, *words, TREE)),))


def actions(seen: HostState) -> tuple[Action, ...]:
    """Give those with a wrong mode the right one."""
    wrong = [path for whose, _, path in _lines(seen) if whose == "ours"]
    if not wrong:
        return ()
    mend = 'chmod u+rwx,go+rx,go-w -- "$@"'
    names = ", ".join(wrong[:4]) + (f" and {len(wrong) - 4} more" if len(wrong) > 4 else "")
    return (Action(f"let the daemons into {names}", lambda host: run(host, mend, *wrong)),)


def notes(seen: HostState) -> tuple[str, ...]:
    """What is somebody else's to mend."""
    return tuple(
        f"paths: {path} has mode {mode}: accounts of the daemons may be unable to reach what is below it; "
        f"`chmod o+x {path}` if a unit fails with status 203 or `Permission denied`"
        for whose, mode, path in _lines(seen)
        if whose == "above"
    )


def _lines(seen: HostState) -> list[tuple[str, str, str]]:
    words = (line.split(" ", 2) for line in seen.answers.get(_PROBE, []))
    return [(w[0], w[1], w[2]) for w in words if len(w) == 3]
