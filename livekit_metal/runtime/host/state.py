"""One look at a host, shared by every operation of a run.

Roles declare what they need to know while pyinfra prepares; the first question at execution reads all of it in one
round trip. After any change the next question looks again: no list of "what invalidates what" exists.
"""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field

from pyinfra import context
from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.runtime.host.commands import HostError, read

# Where the control groups of the system's own units are, as an extended regular expression. Anybody may have a unit of
# the same name, elsewhere.
SYSTEM = "/system[.]slice/([^/]*[.]slice/)?"

_LOOK = shell.program(__file__, "look")


@dataclass(frozen=True, slots=True)
class StateQuery:
    """What to look at. ``queries`` are programs by name; their output lines come back as they are."""

    files: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    sysctls: frozenset[str] = frozenset()  # dotted names
    units: frozenset[str] = frozenset()
    queries: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # a snippet may hold a password

    def __or__(self, other: StateQuery) -> StateQuery:
        return StateQuery(
            self.files | other.files,
            self.packages | other.packages,
            self.sysctls | other.sysctls,
            self.units | other.units,
            tuple(dict(self.queries + other.queries).items()),
        )

    def __sub__(self, other: StateQuery) -> StateQuery:
        return StateQuery(
            self.files - other.files,
            self.packages - other.packages,
            self.sysctls - other.sysctls,
            self.units - other.units,
            tuple(each for each in self.queries if each not in other.queries),
        )


@dataclass(slots=True)
class HostState:
    """What a look found. Absent files, packages and keys are absent from the mappings."""

    files: dict[str, str] = field(default_factory=dict)  # path -> sha256
    stat: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # path -> (mode, user, group)
    packages: dict[str, str] = field(default_factory=dict)  # name -> version
    sysctls: dict[str, str] = field(default_factory=dict)  # dotted name -> value
    units: dict[str, dict[str, str]] = field(default_factory=dict)  # unit -> systemd properties, Stamp, Program
    answers: dict[str, list[str]] = field(default_factory=dict)
    asked: float = 0.0  # Unix time on the controller before the question went out
    answered: float = 0.0  # and when the answer was there

    def __or__(self, later: HostState) -> HostState:
        """Both looks as one, which took as long as both."""
        return HostState(
            self.files | later.files,
            self.stat | later.stat,
            self.packages | later.packages,
            self.sysctls | later.sysctls,
            self.units | later.units,
            self.answers | later.answers,
            self.asked,
            later.answered,
        )

    def unit(self, name: str, key: str) -> str:
        return self.units.get(name, {}).get(key, "")


def script(needs: StateQuery, mark: str = "#") -> str:
    """The shell text that answers ``needs``; ``mark`` begins the lines that part its answer."""
    keys = frozenset(key.replace(".", "/") for key in needs.sysctls)
    words = (" ".join(sorted(group)) for group in (needs.files, needs.packages, keys, needs.units))
    return shell.given(_LOOK, mark, *words, *itertools.chain(*needs.queries))


def parse(output: str, mark: str = "#") -> HostState:
    """Read the answer to a script of this ``mark`` back. Raises HostError when it is not whole."""
    seen, section = HostState(), ""
    block: dict[str, str] = {}
    pids: dict[str, dict[str, str]] = {}
    for line in output.splitlines():
        if line.startswith(mark):
            section = f"#{line.removeprefix(mark)}"
            if section.startswith("#probe "):
                seen.answers[section.removeprefix("#probe ")] = []
        elif section.startswith("#probe "):
            seen.answers[section.removeprefix("#probe ")].append(line)
        elif section == "#units":
            key, _, value = line.partition("=")
            if not line:
                block = {}
                continue
            block[key] = value
            if key == "Id":
                seen.units[value] = block
            if key == "MainPID" and value != "0":
                pids[value] = block
        elif section == "#stamps":
            path, _, stamp = line.partition(":LKM_STAMP=")
            pids[path.split("/")[2]]["Stamp"] = stamp
        elif section == "#programs":
            path, _, program = line.partition(" ")
            pids[path.split("/")[2]]["Program"] = program
        else:
            _line(seen, section, line)
    if section != "#end":
        raise HostError("the host's answer is incomplete; is its disk full or its shell unusual? try `ssh HOST true`")
    return seen


def _mark() -> str:
    return f"#{secrets.token_hex(8)} "


def _line(seen: HostState, section: str, line: str) -> None:
    if section == "#files":
        sha, path = line.split(None, 1)
        seen.files[path] = sha
    elif section == "#stat":
        path, mode, user, group = line.rsplit(None, 3)
        seen.stat[path] = (mode, user, group)
    elif section == "#packages":
        name, status, version = line.split("\t")
        if status.startswith("ii"):
            seen.packages[name] = version
    elif section == "#sysctls":
        path, _, value = line.partition(":")
        seen.sysctls[path.replace("/", ".")] = value


class Observer:
    """The looks of one host in one run. ``looks`` counts them (a no-op deploy takes one)."""

    def __init__(self, host: Host) -> None:
        self.host, self.needs, self.looks = host, StateQuery(), 0
        self._seen: HostState | None = None
        self._asked = StateQuery()

    def need(self, needs: StateQuery) -> None:
        self.needs |= needs

    def current(self) -> HostState:
        """What the host is like now. Raises HostError when it cannot be read.

        Where nothing has changed since, only what was not asked before is: a plan (`--dry`) asks for each operation.
        """
        if self._seen is None:
            self._seen = self._look(self.needs)
        elif self._asked != self.needs:
            self._seen |= self._look(self.needs - self._asked)
        self._asked = self.needs
        return self._seen

    def _look(self, needs: StateQuery) -> HostState:
        asked, mark = time.time(), _mark()
        seen = parse(read(self.host, "sh -s", stdin=script(needs, mark)), mark)
        seen.asked, seen.answered = asked, time.time()
        self.looks += 1
        return seen

    def forget(self) -> None:
        """Something changed (or may have): look again at the next question."""
        self._seen = None


def observer() -> Observer:
    """The observer of the host in context."""
    host = context.ctx_host.get()  # the Host itself: pyinfra.host is a proxy
    found: Observer = host.connector_data.setdefault("livekit_metal.observer", Observer(host))
    return found
