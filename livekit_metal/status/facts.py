"""What procedures/status.py reads of a host. How it is shown: :mod:`livekit_metal.status.render`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from livekit_metal.core import records, shell
from livekit_metal.roles.acme import state
from livekit_metal.roles.acme.settings import Settings as Acme
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit import occupancy
from livekit_metal.roles.livekit.occupancy import Occupancy
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.preflight import media
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.roles.prometheus import firing
from livekit_metal.roles.prometheus.firing import Firing
from livekit_metal.roles.prometheus.settings import Settings as Prometheus
from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.old_code import Told
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import lock
from livekit_metal.runtime.run.turns import modules
from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.occupancy import OccupancyQuery, Sessions, active

if TYPE_CHECKING:
    from livekit_metal.site.model import HostStack, Site

_LAST = 3  # lines of the audit log
_MARKS = shell.program(__file__, "marks")


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
    lines: tuple[str, ...] = ()  # what roles have to say of themselves: status.py in their folders
    certificate: str = ""  # when it ends, or why there is no other; '' where TLS ends elsewhere
    watches: bool = False  # has the role prometheus
    alerts: tuple[Firing, ...] | None = None  # what fires, of the whole site; None: not known


def needs(site: Site, stack: HostStack) -> StateQuery:
    """What to look at on one host."""
    config = site.paths.config
    rejected = (f"{question.root}/rejected" for question in _questions(stack).values())
    marks = shell.given(_MARKS, records.maintenance(config), *rejected)
    probes = [lock.PROBE, ("marks", marks), ("audit", f"tail -n {_LAST} {records.AUDIT}")]
    probes += [media.LINKS] if stack.the(Preflight).offered else []
    found = StateQuery(queries=(*probes, *(question.probe for question in _questions(stack).values())))
    found |= old_code.needs(stack.the(Base).daemons)
    for own, status in modules(stack, "status"):
        found |= status.needs(own)
    found |= firing.needs(stack.the(Prometheus)) if stack.of(Prometheus) else StateQuery()
    return found | state.needs(stack.the(Acme)) if stack.of(Acme) and stack.the(Acme).wanted else found


def _questions(stack: HostStack) -> dict[str, OccupancyQuery]:
    return {role: each.query_all for role, each in components(stack).items()}


def of(stack: HostStack, seen: HostState) -> Overview:
    """What was found. Raises HostError when the host does not say what its slots do."""
    slots = seen.answers[occupancy.question(stack.the(Livekit)).name] if stack.of(Livekit) else []
    others = {role: question for role, question in _questions(stack).items() if role != "livekit"}
    marks = [line.split(" ", 1) for line in seen.answers["marks"]]
    rejected = (rest.partition(" ") for word, rest in marks if word == "rejected")
    return Overview(
        serving=active(slots),
        slots=occupancy.parse(slots, stack.the(Livekit)) if stack.of(Livekit) else {},
        lock=lock.holder(seen.answers[lock.PROBE[0]]),
        maintenance=next((records.read(rest) for word, rest in marks if word == "maintenance"), None),
        rejected={name: records.read(text) for name, _, text in rejected},
        changes=tuple(map(records.read, seen.answers["audit"])),
        media=media.words(offered, seen.answers[media.LINKS[0]]) if (offered := stack.the(Preflight).offered) else "",
        old_code=old_code.told(seen, stack.the(Base).daemons),
        services={role: _service(question, seen.answers[question.name]) for role, question in others.items()},
        lines=lines(stack, seen),
        certificate=_certificate(stack, seen),
        watches=stack.of(Prometheus) is not None,
        alerts=firing.firing(seen) if stack.of(Prometheus) else None,
    )


def _certificate(stack: HostStack, seen: HostState) -> str:
    """By ACME as the host has it, else what the controller has: a deploy brings that."""
    if stack.of(Acme) and stack.the(Acme).wanted:
        return state.words(stack.the(Acme), seen)
    served = stack.the(Edge).served if stack.of(Edge) else None
    return f"ends on {served.ends}, in {served.days_left(seen.answered or time.time())} days" if served else ""


def lines(stack: HostStack, seen: HostState) -> tuple[str, ...]:
    """A line for each role that has something to say."""
    return tuple(filter(None, (status.line(own, seen) for own, status in modules(stack, "status"))))


def _service(question: OccupancyQuery, lines: list[str]) -> Service:
    return Service(question.unit_noun, active(lines), question.sessions(lines))
