"""What procedures/status.py reads of a host. How it is shown: :mod:`procedures.showing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from procedures.components import components
from roles._kit import lock, old_code
from roles._kit.look import Needs, Seen
from roles._kit.occupancy import Question, Sessions, active
from roles._kit.old_code import Told
from roles.acme import observed
from roles.livekit import occupancy
from roles.livekit.occupancy import Occupancy
from roles.preflight import media
from stack import records

if TYPE_CHECKING:
    from stack.compose import Stack
    from stack.site import Site

_LAST = 3  # lines of the audit log
# One line per record, whatever its file looks like.
_MARKS = r"""one() { [ ! -f "$2" ] || printf '%s %s\n' "$1" "$(tr '\n' ' ' <"$2")"; }
one maintenance @MAINTENANCE@
for f in @REJECTED@; do one "rejected ${f##*/}" "$f"; done"""


@dataclass(frozen=True, slots=True)
class Service:
    """A daemon in slots beside livekit-server; ``noun`` is what is on a slot ("recordings")."""

    noun: str
    serving: str
    slots: Mapping[str, Sessions]


@dataclass(frozen=True, slots=True)
class Overview:
    """A host as read; ``serving`` and ``slots`` are livekit-server's."""

    serving: str  # the slot that new sessions go to, whatever is the matter with it; '' before the first deploy
    slots: Mapping[str, Occupancy]
    lock: Mapping[str, Any] | None  # who holds it now
    maintenance: Mapping[str, Any] | None
    rejected: Mapping[str, Mapping[str, Any]]  # by generation
    changes: tuple[Mapping[str, Any], ...]  # the last ones of the audit log, oldest first
    services: Mapping[str, Service] = field(default_factory=dict)  # by role
    media: str = ""  # what clients are told of the host, and where it comes in; '' without livekit-server
    old_code: Mapping[str, Told] = field(default_factory=dict)  # by unit
    certificate: str = ""  # by ACME: when it ends, or why there is no other; '' where others care for it


def needs(site: Site, stack: Stack) -> Needs:
    """What to look at on one host."""
    config = site.paths.config
    marks = _MARKS.replace("@MAINTENANCE@", records.maintenance(config))
    marks = marks.replace("@REJECTED@", " ".join(f"{q.root}/rejected/*" for q in _questions(stack).values()))
    probes = [lock.PROBE, ("marks", marks), ("audit", f"tail -n {_LAST} {records.AUDIT}")]
    probes += [media.LINKS] if stack.preflight.offered else []
    found = Needs(probes=(*probes, *(question.probe for question in _questions(stack).values())))
    found |= old_code.needs(stack.base.daemons)
    return found | observed.needs(stack.acme) if stack.acme and stack.acme.wanted else found


def _questions(stack: Stack) -> dict[str, Question]:
    return {role: each.whole_question for role, each in components(stack).items()}


def of(stack: Stack, seen: Seen) -> Overview:
    """What was found. Raises Failed when the host does not say what its slots do."""
    slots = seen.probes[occupancy.question(stack.livekit).name] if stack.livekit else []
    others = {role: question for role, question in _questions(stack).items() if role != "livekit"}
    marks = [line.split(" ", 1) for line in seen.probes["marks"]]
    rejected = (rest.partition(" ") for word, rest in marks if word == "rejected")
    return Overview(
        serving=active(slots),
        slots=occupancy.parse(slots, stack.livekit) if stack.livekit else {},
        lock=lock.holder(seen.probes[lock.PROBE[0]]),
        maintenance=next((records.read(rest) for word, rest in marks if word == "maintenance"), None),
        rejected={name: records.read(text) for name, _, text in rejected},
        changes=tuple(map(records.read, seen.probes["audit"])),
        media=media.words(stack.preflight.offered, seen.probes[media.LINKS[0]]) if stack.preflight.offered else "",
        old_code=old_code.told(seen, stack.base.daemons),
        services={role: _service(question, seen.probes[question.name]) for role, question in others.items()},
        certificate=observed.words(stack.acme, seen) if stack.acme and stack.acme.wanted else "",
    )


def _service(question: Question, lines: list[str]) -> Service:
    return Service(question.noun, active(lines), question.sessions(lines))
