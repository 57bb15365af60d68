"""What a look tells about Redis: its users, where it listens, and which of what the site has no more is still in use.

Redis itself says who is logged in, the kernel who is connected to where: whatever runs, on whatever host, counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from livekit_metal.core import shell
from livekit_metal.roles.redis.settings import FORWARD_UNIT, FORWARD_UNIT_BEFORE, UNIT, Settings
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery

PROBE = "redis.state"
ADDRESS = "# Former address: "  # how a line of the former unit's file says what it listens on
_SETTLED = 10  # seconds after which whoever lost a connection has another: livekit-server speaks every few seconds

_PROBE = shell.program(__file__, "client", "state")


@dataclass(frozen=True, slots=True)
class Observed:
    """``users`` is empty when Redis does not run, lets nobody of us in, or says nothing at all (``silent``)."""

    leaves: tuple[str, ...]
    former: tuple[str, ...]
    used: tuple[str, ...]
    users: tuple[str, ...]
    retired: tuple[tuple[str, str], ...]
    silent: bool = False


def needs(settings: Settings) -> StateQuery:
    """What to ask a host whose Redis should have ``settings``."""
    units = (UNIT, " ".join(f"{UNITS}/{unit}" for unit in (FORWARD_UNIT_BEFORE, FORWARD_UNIT)), ADDRESS)
    lists = (" ".join(settings.listens), " ".join(settings.users), "|".join(settings.callers))
    passwords = (p.reveal() for p in settings.deploy_passwords)
    return StateQuery(queries=((PROBE, shell.given(_PROBE, str(_SETTLED), *units, *lists, *passwords)),))


def forward_unit(seen: HostState) -> str:
    """The unit that forwards, by the name that it has on the host."""
    return FORWARD_UNIT_BEFORE if f"{UNITS}/{FORWARD_UNIT_BEFORE}" in seen.files else FORWARD_UNIT


def observed(seen: HostState) -> Observed:
    """The probe's answer."""
    said: dict[str, list[str]] = {}
    for line in seen.answers[PROBE]:
        word, _, value = line.partition(" ")
        said.setdefault(word, []).append(value)
    leaves, former, used, users = (tuple(sorted(said.get(w, ()))) for w in ("leaves", "former", "used", "user"))
    retired = tuple((name, sha256) for name, _, sha256 in (v.partition(" ") for v in sorted(said.get("retired", ()))))
    return Observed(leaves, former, used, users, retired, silent="silent" in said)
