"""A worker, or what it stands on, changes on every host: nobody notices, and a job that begins meanwhile is served.

These are the rows of the table of gaps (docs/call-safety.md) for agents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.agents.conftest import LANGUAGES, SENT, Change, Talking, served
from tests.support.calls import slots, workers
from tests.support.hosts.deploys import STEP, Deploy
from tests.support.hosts.lab import over_ssh
from tests.upgrade.conversations import Measured
from tests.upgrade.judge import limit

T = TypeVar("T")


@dataclass(frozen=True)
class Beneath:
    """A change: the role of whose steps a second conversation begins, and what gets a new slot."""

    role: str
    settings: Mapping[str, Any]
    code: bool = False  # of the agent
    server: bool = False


_ROOM = {"livekit": {"room": {"empty_timeout": 423}}}
CHANGES = {
    "the agent's code": Beneath("agents", {}, code=True),
    "livekit-server's configuration": Beneath("livekit", _ROOM, server=True),
    "both at once": Beneath("livekit", _ROOM, code=True, server=True),
    "HAProxy (reload)": Beneath("edge", {"edge": {"max_connections": 4000, "max_rate_per_address": 190}}),
    "Redis' configuration": Beneath("redis", {"redis": {"max_memory_mb": 300}}),
}


def watched(
    talking: Talking, fleet: str, begin: Callable[[], T], end: Callable[[T], None]
) -> tuple[float, float, float, float]:
    """Two conversations that nothing happens to, one from before, one from between ``begin`` and ``end``.

    What :class:`Measured` wants to know of the one with more of a gap.
    """
    with talking(fleet) as talk:
        begun = begin()
        with talking(fleet) as newcomer:
            served(newcomer, talking, fleet)
            end(begun)
            reports = [newcomer.unnoticed(), talk.unnoticed()]
    own, control = max(reports, key=lambda both: both[0].largest_gap_ms / limit(both[1]))
    return own.largest_gap_ms, control.largest_gap_ms, limit(control), newcomer.conversation.answered


@pytest.mark.usefixtures("back")
@pytest.mark.parametrize("what", CHANGES)
def test_a_change_under_a_conversation(
    talking: Talking,
    change: Change,
    site: Site,
    *,
    what: str,
    fleet: str,
    another: Mapping[str, Any],
    gaps: list[Measured],
) -> None:
    beneath = CHANGES[what]
    hosts = {name: over_ssh(name) for name in site.with_role("agents")}
    worker = {name: workers.serving(host, fleet) for name, host in hosts.items()}
    pid = {name: workers.pid(host, worker[name], fleet) for name, host in hosts.items()}
    server = {name: slots.serving(site, name) for name in site.with_role("livekit")}
    inventory = change({**beneath.settings, **(another if beneath.code else {})})

    def begin() -> Deploy:
        deploy = Deploy(inventory)
        assert deploy.until(lambda line: bool((at := STEP.search(line)) and at["step"].startswith(beneath.role)), SENT)
        return deploy

    def end(deploy: Deploy) -> None:
        told = deploy.end(within=SENT)
        assert told.status == 0, told.text

    row = watched(talking, fleet, begin, end)
    for name, host in hosts.items():
        if beneath.code:
            assert workers.serving(host, fleet) != worker[name], name
            workers.ended(host, worker[name], fleet=fleet)
        else:
            assert workers.pid(host, worker[name], fleet) == pid[name], f"{name}: nobody has started it again"
    for name, slot in server.items():
        if beneath.server:
            assert slots.serving(site, name) != slot, name
            slots.ended(name, slot.unit)
        else:
            assert slots.serving(site, name) == slot, name
    gaps.append(Measured(what, len(site.hosts), LANGUAGES[fleet], *row))


def test_redis_restarts_under_a_conversation(
    talking: Talking, first: Host, fleet: str, site: Site, gaps: list[Measured]
) -> None:
    edge = "systemctl show -p MainPID --value livekit-edge"
    before = first.check_output(edge)
    row = watched(talking, fleet, lambda: first.check_output("systemctl restart livekit-redis"), lambda _: None)
    assert first.check_output(edge) == before
    gaps.append(Measured("Redis restart", len(site.hosts), LANGUAGES[fleet], *row))
