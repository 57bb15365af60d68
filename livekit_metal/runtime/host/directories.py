"""Our directories on a host can be entered by the daemons' accounts, whatever umask they were once made under.

What lies in them is protected by its own mode (0600, 0640). They are root's, and 0755: but for those of images, whose
set-user-ID programs are kept from everybody (release.py), and for what a daemon owns itself.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from livekit_metal.runtime.artifacts.push import TREE
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action
from livekit_metal.runtime.slots.switchover import RUN

_PROBE = "directories"
# `ours MODE PATH` for a directory of ours with a wrong mode, or one above that holds nothing but ours; `above MODE
# PATH` for another one above that keeps others out. A set-group-ID bit is the file system's affair.
_LOOK = f"""wrong='( ! -perm -755 -o -perm /022 )'
{{
  find @DEEP@ -maxdepth 2 -type d -user root $wrong
  find @FLAT@ -maxdepth 0 -type d $wrong
}} | while read -r d; do [ -e "$d/{TREE}" ] || echo "ours $(stat -c %a "$d") $d"; done
for d in @ABOVE@; do
  [ -n "$(find $d -maxdepth 0 -type d ! -perm -001)" ] || continue
  whose=ours
  for e in $(ls -A $d); do case " @WAYS@ " in *" $d/$e "*) ;; *) whose=above ;; esac; done
  echo "$whose $(stat -c %a $d) $d"
done
"""


def needs(config: str, releases: str, state: str) -> StateQuery:
    """What to look at where these are the site's paths."""
    roots = [path.rstrip("/") for path in (config, releases, state)]
    above = {str(parent) for root in roots for parent in PurePosixPath(root).parents} - {"/"}
    words = {
        "DEEP": f"{roots[0]} {roots[1]}",
        "FLAT": f"{roots[2]} {RUN}",
        "ABOVE": " ".join(sorted(above)),
        "WAYS": " ".join(sorted({*roots, *above})),
    }
    text = _LOOK
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return StateQuery(queries=((_PROBE, text),))


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
