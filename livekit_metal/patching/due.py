"""What of a host's own upgrades is due. Pure, but for the shell text of the questions."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core import shell
from livekit_metal.core.errors import Problem
from livekit_metal.core.switches import Switches
from livekit_metal.core.types.duration import Duration
from livekit_metal.runtime.host.state import HostState, StateQuery

APT = shell.program(__file__, "apt")
_REBOOT = shell.program(__file__, "reboot-wanted")
_UPDATES, _WHEN = ("security", "all"), ("needed", "always", "never")
_NAMED = 5  # packages in a sentence


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator wants."""

    updates: str
    reboot: str
    within: Duration  # a host has this long to become empty
    drop: bool  # whoever is there then is cut; else the run stops
    alone: bool

    @classmethod
    def of(cls, given: Switches) -> Asked:
        """Raises PyinfraError for a word that means nothing."""
        for name, value, known in (("updates", given.updates, _UPDATES), ("reboot", given.reboot, _WHEN)):
            if value not in known:
                raise PyinfraError(str(Problem(f"--data {name}", f"is {value!r}", f"choose one of {', '.join(known)}")))
        try:
            within = Duration.parse(given.within)
        except ValueError as error:
            raise PyinfraError(f"--data within: {error}") from error
        return cls(given.updates, given.reboot, within, given.calls, given.alone)


@dataclass(frozen=True, slots=True)
class Due:
    """What a look has found."""

    packages: tuple[str, ...]
    held: tuple[str, ...]
    reboot: tuple[str, ...]  # the reasons

    @property
    def names(self) -> str:
        """The packages, for a sentence."""
        more = len(self.packages) - _NAMED
        shown = self.packages if more <= 1 else self.packages[:_NAMED]
        return ", ".join(shown) + (f" and {more} more" if more > 1 else "")


def needs(asked: Asked) -> StateQuery:
    """What must be seen for :func:`due`."""
    return StateQuery(
        queries=(("patch.due", shell.given(APT, "due", asked.updates)), ("patch.reboot", shell.given(_REBOOT)))
    )


def due(asked: Asked, seen: HostState) -> Due:
    """``asked.reboot`` decides whether reasons for a reboot count."""
    lines = [line.split() for line in seen.answers["patch.due"]]
    reasons = tuple(seen.answers["patch.reboot"])
    return Due(
        packages=tuple(words[1] for words in lines if words[0] == "due"),
        held=tuple(words[1] for words in lines if words[0] == "held"),
        reboot=() if asked.reboot == "never" else reasons,
    )
