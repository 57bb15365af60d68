"""The generations of a daemon that a host remembers: which have served, and which were rolled back.

``served/GENERATION`` is touched when a generation becomes active, ``rejected/GENERATION`` says who rolled it back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core import records
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run import lock
from livekit_metal.runtime.run.task import Action


@dataclass(frozen=True, slots=True)
class Record:
    """A generation as a host lists it. ``served`` is when it last became active (Unix time; 0: never)."""

    name: str
    release: str
    served: int


@dataclass(frozen=True, slots=True)
class History:
    """What a host remembers of ``component``, whose generations are in the directory ``root``."""

    component: str
    root: str

    @property
    def queries(self) -> tuple[tuple[str, str], ...]:
        listing = (  # newest first
            f"cd {quote(self.root)} && for f in $(ls -1t */release); do g=${{f%/release}}\n"
            'echo "$g $(cat $f) $(stat -c %Y served/$g 2>/dev/null || echo 0)"; done'
        )
        rejected = f'cd {quote(self.root)}/rejected && for g in *; do echo "$g $(cat $g)"; done'
        return (f"{self.component}.generations", listing), (f"{self.component}.rejected", rejected)

    def records(self, seen: HostState) -> dict[str, Record]:
        """The generations on the host by name, the newest first."""
        lines = (line.split() for line in seen.answers[f"{self.component}.generations"])
        return {name: Record(name, release, int(served)) for name, release, served in lines}

    def rejected(self, seen: HostState) -> dict[str, str]:
        """By whom, when and why generations were rolled back, by name."""
        lines = (line.partition(" ") for line in seen.answers.get(f"{self.component}.rejected", []))
        return {name: _words(records.read(text)) for name, _, text in lines}

    def previous(self, seen: HostState, now: str) -> Record | None:
        """What served before generation ``now``, and was not rolled back."""
        rejected = self.rejected(seen)
        fit = [r for r in self.records(seen).values() if r.served and r.name != now and r.name not in rejected]
        return max(fit, key=lambda record: record.served, default=None)

    def acceptance(self, name: str, seen: HostState, accept: Collection[str]) -> tuple[Action, ...]:
        """Forget that ``name`` was rolled back, when it is among ``accept``. Raises HostError when it is not."""
        if not (words := self.rejected(seen).get(name)):
            return ()
        if name not in accept:
            raise HostError(
                f"generation {name} was rolled back {words}; change the inventory, or deploy it all "
                f"the same with --data accept={name}"
            )
        return (Action("accept what was rolled back", lambda host: run(host, 'rm -f "$1"', self._rejection(name))),)

    def reject(self, host: Host, name: str, why: str) -> None:
        """Record that generation ``name`` is rolled back: the next deploy of it is refused."""
        when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        text = json.dumps({"who": "@".join(lock.operator()), "when": when, "why": why}) + "\n"
        put = 'mkdir -p "${1%/*}"; cat >"$1.lkm-new"; mv -fT "$1.lkm-new" "$1"'
        run(host, put, self._rejection(name), stdin=text)

    def _rejection(self, name: str) -> str:
        return f"{self.root}/rejected/{name}"


def _words(record: Mapping[str, object]) -> str:
    why = f": {record['why']}" if record.get("why") else ""
    return f"by {record.get('who', 'somebody')} at {record.get('when', 'an unknown time')}{why}"
