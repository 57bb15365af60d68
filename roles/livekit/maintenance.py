"""A host out of service: its slots drain, and new sessions reach other hosts through the edges."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.tasks import Livekit
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import maintenance
from livekit_metal.runtime.run.task import Action, Task

_PROBE = "livekit.others"
_ASK = "for at in {}; do echo \"$at $(curl -s -m 2 -o /dev/null -w '%{{http_code}}' http://$at/)\"; done"


def drain(settings: Settings, marker: str, others: Mapping[str, str], *, why: str, alone: bool) -> Task:
    """Empty the host. ``others`` (host -> address:port) are the edges that take its new sessions.

    ``alone`` permits it when none of them does. Raises HostError in the plan otherwise.
    """
    asked = StateQuery(queries=((_PROBE, _ASK.format(" ".join(others.values())) if others else ":"),))

    def mark(seen: HostState) -> tuple[Action, ...]:
        answers = dict(line.split() for line in seen.answers[_PROBE] if " " in line)
        if not alone and "200" not in answers.values():
            heard = ", ".join(f"{name} says {answers.get(at, 'nothing')}" for name, at in others.items())
            raise HostError(
                f"no other host takes new sessions ({heard or 'there is none'}); drained, this one would turn "
                "everybody away until it is back: say so with --data alone=yes"
            )
        return (
            ()
            if maintenance.words(seen)
            else (Action("mark the host", partial(maintenance.begin, path=marker, why=why)),)
        )

    return Livekit(settings).retire(mark, maintenance.needs(marker) | asked)
