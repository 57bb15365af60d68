"""Conversations that ended because a worker, or the process of a job, did."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.roles.agents.settings import Settings
from livekit_metal.roles.agents.tasks import Agents
from livekit_metal.runtime.host.state import HostState, StateQuery


def needs(settings: Settings) -> StateQuery:
    """What to look at on a host: who is on its slots, which is asked anyway."""
    return StateQuery(queries=tuple(Agents(each).query_all.probe for each in settings.daemons))


def line(settings: Settings, seen: HostState) -> str:
    """``label: text``; '' while none was lost."""
    lost = "; ".join(_lost(settings, seen))
    return f"agents: {lost}; the journal of the unit says why" if lost else ""


def _lost(settings: Settings, seen: HostState) -> Iterator[str]:
    for each in settings.daemons:
        question = Agents(each).query_all
        words = [said for _, said in question.read(seen.answers[question.name])]
        lost, again = (sum(int(n) for said in words for n in said.get(word, ())) for word in ("lost", "again"))
        if lost:
            sent = f" ({again} dispatched again)" if again else ""
            jobs = "a job" if lost == 1 else f"{lost} jobs"
            yield f"{each.component} has lost {jobs} since its workers began{sent}"
