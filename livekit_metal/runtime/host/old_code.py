"""Which of our processes run code that is no longer on disk: a library that an update has replaced since they started.

The kernel says so itself: of what a process has mapped to execute, /proc/PID/maps calls a file that is gone
"(deleted)", and so it calls one that dpkg has renamed another over. A file that is mounted over keeps its name; it is
found by its inode. All processes in the control groups of our units count, workers and handlers as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from livekit_metal.core import shell
from livekit_metal.runtime.host.state import SYSTEM, HostState, StateQuery

# "/proc/PID/cgroup:UNIT" for each of our processes. It stands in that program, too.
OURS = (
    rf"grep -asHoE '^(0:|1:name=systemd):{SYSTEM}livekit-[^/]*\.service' /proc/[0-9]*/cgroup"
    " | sed 's,:.*/,:,'"
)
SCRIPT = shell.program(__file__, "old-code")
_NAME = "old-code"
_NAMED = 3  # files in a sentence


@dataclass(frozen=True, slots=True)
class Old:
    """A process that runs code which is gone. ``main``: the one that systemd started and others came from."""

    unit: str
    pid: str
    main: bool
    files: tuple[str, ...]


def needs(units: Iterable[str] = ()) -> StateQuery:
    """What must be seen to tell it of ``units``."""
    return StateQuery(units=frozenset(units), queries=((_NAME, SCRIPT),))


def found(seen: HostState) -> Mapping[str, tuple[Old, ...]]:
    """The processes that run old code, by unit."""
    files: dict[tuple[str, str], list[str]] = {}
    for line in seen.answers.get(_NAME, []):
        unit, pid, file = line.split(" ", 2)
        files.setdefault((unit, pid), []).append(file)
    units: dict[str, tuple[Old, ...]] = {}
    for (unit, pid), names in files.items():
        one = Old(unit, pid, seen.unit(unit, "MainPID") == pid, tuple(names))
        units[unit] = (*units.get(unit, ()), one)
    return units


def of_any(seen: HostState, unit: str) -> bool:
    """Whether any process of ``unit`` runs old code."""
    return unit in found(seen) or of_main(seen, unit)


def of_main(seen: HostState, unit: str) -> bool:
    """Whether the main process of ``unit`` does: what it starts from now on would too."""
    program = seen.unit(unit, "Program").endswith(" (deleted)")
    return program or any(one.main for one in found(seen).get(unit, ()))


def files(old: Iterable[Old]) -> str:
    """What was replaced, for a sentence: "libssl.so.3, libcrypto.so.3"."""
    names = list(dict.fromkeys(file.rsplit("/", 1)[-1] for one in old for file in one.files))
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


@dataclass(frozen=True, slots=True)
class Told:
    """Of one unit: what was replaced, how many processes run it still, and what becomes of them."""

    files: str
    processes: int
    remedy: str
    ends: bool  # by itself

    @property
    def words(self) -> str:
        many = f" ({self.processes} processes)" if self.processes > 1 else ""
        return f"{self.files} was replaced since it started{many}"


def told(seen: HostState, units: Iterable[str]) -> dict[str, Told]:
    """Of each of our ``units`` that runs old code, other slots of the same daemons included (for people)."""
    ours = {unit.partition("@")[0] for unit in units}
    return {
        unit: Told(files(old), len(old), *_remedy(seen, unit))
        for unit, old in sorted(found(seen).items())
        if unit.partition("@")[0] in ours
    }


def _remedy(seen: HostState, unit: str) -> tuple[str, bool]:
    if seen.unit(unit, "ActiveState") == "deactivating":
        return "it ends when it has drained", True
    if not of_main(seen, unit):
        return "it ends with the connections and recordings that it still has", True
    if "@" in unit:
        return "deploy with --data refresh=yes: a new process takes over, calls go on", False
    return "deploy: it gets the new code, calls go on", False
