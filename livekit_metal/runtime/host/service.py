"""A unit with the files it reads. Whether the *running process* is the wanted one is read from the process.

A drop-in puts a stamp (hash of the unit and of all it reads) into the process' environment; the look reads it back from
/proc/<MainPID>/environ, and which program it runs from /proc/<MainPID>/exe: one that apt has replaced since counts as
stale, and so does one that runs a library of which that is true (old_code.py). A restart lost in a killed deploy is
therefore found by the next one. Files that a daemon takes again while it runs are not in the stamp (its environment
stays old): it must report itself which version of them it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.types.memory import MOST
from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File, Validate, bundle, digest
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action

UNITS = "/etc/systemd/system"


def limits(tasks: int) -> Mapping[str, str]:
    """Of a daemon that serves: it ends before the host does; ``tasks`` are processes and threads."""
    return {"MemoryMax": MOST, "TasksMax": str(tasks)}


SMALL = {"MemoryMax": "512M", "TasksMax": "256"}  # of what only looks or forwards
_RESTART = shell.program(__file__, "restart")
_ENABLE = "systemctl daemon-reload; systemctl -q enable $1"


@dataclass(frozen=True, slots=True)
class Service:
    """``files`` includes the unit file itself when it is ours; ``reread`` are those that need no restart.

    ``limits`` are those of the unit's control group (systemd.resource-control(5)): a process that runs gets them, too.
    """

    unit: str
    files: tuple[File, ...]
    validate: Validate | None = None
    reread: tuple[File, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        return digest(self.files)

    @property
    def all_files(self) -> tuple[File, ...]:
        stamp = f"[Service]\nEnvironment=LKM_STAMP={self.stamp}\n"
        last = File(f"{UNITS}/{self.unit}.d/50-stamp.conf", stamp)
        return (*self.files, *self.reread, *self._limits, last)

    @property
    def _limits(self) -> tuple[File, ...]:
        lines = "".join(f"{name}={value}\n" for name, value in self.limits.items())
        return (File(f"{UNITS}/{self.unit}.d/40-limits.conf", f"[Service]\n{lines}"),) if lines else ()

    @property
    def needs(self) -> StateQuery:
        return StateQuery(files=frozenset(f.path for f in self.all_files)) | old_code.needs({self.unit})

    def running(self, seen: HostState) -> bool:
        """Whether the unit is active and its process was started from exactly these files, and runs today's code.

        Where a file is not ours (somebody edited it), the process may have read that, whatever its stamp says.
        """
        active = seen.unit(self.unit, "ActiveState") == "active"
        replaced = old_code.of_any(seen, self.unit)
        ours = all(f.current(seen) for f in self.files)
        return active and seen.unit(self.unit, "Stamp") == self.stamp and ours and not replaced

    def unread(self, seen: HostState, loaded: bool) -> bool:
        """Whether the running process must take ``reread`` again: it reports another version (not ``loaded``), or what
        is there is not ours, in which case its report may not be true either."""
        return not loaded or not all(f.current(seen) for f in self.reread)

    def outcome(self, seen: HostState, otherwise: str = "") -> str:
        """For the last table: what the steps do to the process; ``otherwise`` when they leave it running."""
        if seen.unit(self.unit, "ActiveState") != "active":
            return "started"
        return otherwise if self.running(seen) else "restarted"

    def actions(
        self, seen: HostState, *then: Callable[[Host], object], reload: Action | None = None
    ) -> tuple[Action, ...]:
        """Write what is stale, enable, (re)start when the wanted process does not run; then prove it with ``then``.

        ``reload`` is what the wanted process needs when :meth:`unread` says so.
        """
        steps = list(bundle(self.all_files, seen, self.validate))
        if seen.unit(self.unit, "UnitFileState") != "enabled":
            steps.append(Action(f"enable {self.unit}", lambda h: run(h, _ENABLE, self.unit)))
        change = reload if self.running(seen) else Action(f"start {self.unit}", lambda h: restart(h, self.unit))
        if self.running(seen) and not all(f.current(seen) for f in self._limits):
            steps.append(Action(f"limit {self.unit}", lambda h: run(h, "systemctl daemon-reload")))
        if change:
            steps.append(change)
            steps += [Action(f"{self.unit} answers", check) for check in then]
        return tuple(steps)


def restart(host: Host, unit: str) -> None:
    """Start or restart a unit with its present files. Raises HostError with its journal when it does not come up."""
    run(host, _RESTART, unit)
