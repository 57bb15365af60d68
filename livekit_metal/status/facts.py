"""What procedures/status.py reads of a host. How it is shown: :mod:`livekit_metal.status.render`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from livekit_metal.core import records
from livekit_metal.roles.acme import state
from livekit_metal.roles.livekit import occupancy
from livekit_metal.roles.livekit.occupancy import Occupancy
from livekit_metal.roles.preflight import media
from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.old_code import Told
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import lock
from livekit_metal.runtime.slots.occupancy import OccupancyQuery, Sessions, active
from procedures.components import components

if TYPE_CHECKING:
    from livekit_metal.site.model import Site
    from livekit_metal.site.wiring.host_stack import HostStack

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


def needs(site: Site, stack: HostStack) -> StateQuery:
    """What to look at on one host."""
    config = site.paths.config
    marks = _MARKS.replace("@MAINTENANCE@", records.maintenance(config))
    marks = marks.replace("@REJECTED@", " ".join(f"{q.root}/rejected/*" for q in _questions(stack).values()))
    probes = [lock.PROBE, ("marks", marks), ("audit", f"tail -n {_LAST} {records.AUDIT}")]
    probes += [media.LINKS] if stack.preflight.offered else []
    found = StateQuery(queries=(*probes, *(question.probe for question in _questions(stack).values())))
    found |= old_code.needs(stack.base.daemons)
    return found | state.needs(stack.acme) if stack.acme and stack.acme.wanted else found


def _questions(stack: HostStack) -> dict[str, OccupancyQuery]:
    return {role: each.query_all for role, each in components(stack).items()}


def of(stack: HostStack, seen: HostState) -> Overview:
    """What was found. Raises Failed when the host does not say what its slots do."""
    slots = seen.answers[occupancy.question(stack.livekit).name] if stack.livekit else []
    others = {role: question for role, question in _questions(stack).items() if role != "livekit"}
    marks = [line.split(" ", 1) for line in seen.answers["marks"]]
    rejected = (rest.partition(" ") for word, rest in marks if word == "rejected")
    return Overview(
        serving=active(slots),
        slots=occupancy.parse(slots, stack.livekit) if stack.livekit else {},
        lock=lock.holder(seen.answers[lock.PROBE[0]]),
        maintenance=next((records.read(rest) for word, rest in marks if word == "maintenance"), None),
        rejected={name: records.read(text) for name, _, text in rejected},
        changes=tuple(map(records.read, seen.answers["audit"])),
        media=media.words(stack.preflight.offered, seen.answers[media.LINKS[0]]) if stack.preflight.offered else "",
        old_code=old_code.told(seen, stack.base.daemons),
        services={role: _service(question, seen.answers[question.name]) for role, question in others.items()},
        certificate=state.words(stack.acme, seen) if stack.acme and stack.acme.wanted else "",
    )


def _service(question: OccupancyQuery, lines: list[str]) -> Service:
    return Service(question.noun, active(lines), question.sessions(lines))
