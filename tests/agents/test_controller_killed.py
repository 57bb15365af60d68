"""The controller is killed at each step of a fleet's change; the next deploy finishes, and the conversation goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from testinfra.host import Host

from tests.agents.conftest import SENT, Change, Talking, deployed, served
from tests.support.calls import workers
from tests.support.hosts.deploys import STEP, Deploy, unchanging
from tests.support.hosts.killed_deploys import settled

STEPS = (
    "push",
    "write",
    "check",
    "point to GENERATION alone",
    "start alone",
    "prove alone",
    "end the proof",
    "point to GENERATION",
    "join",
    "ready",
    "new sessions go here",
)


def _step(line: str, fleet: str) -> str:
    """What of :data:`STEPS` a line of a deploy begins for ``fleet``; else ''."""
    found = STEP.search(line)
    role, _, what = found["step"].partition(": ") if found else ("", "", "")
    if role != f"agents-{fleet}":
        return ""
    words = what.partition(": ")[2] if what.startswith("slot ") else what
    if words.startswith("point to"):
        return STEPS[3] if words.endswith(" alone") else STEPS[7]
    return next((step for step in STEPS if words.startswith(step)), "")


@pytest.mark.usefixtures("back")
@pytest.mark.parametrize("step", STEPS)
def test_a_deploy_killed_at_a_step_is_finished_by_the_next(
    talking: Talking, change: Change, first: Host, *, step: str, fleet: str, another: Mapping[str, Any]
) -> None:
    zero = workers.serving(first, fleet)
    inventory = change(another)
    with talking(fleet) as talk:
        running = Deploy(inventory)
        assert running.until(lambda line: _step(line, fleet) == step, SENT), "\n".join(running.lines)
        running.kill()
        settled(first)
        with talking(fleet) as other:  # while only half of it is there
            served(other, talking, fleet)
            deployed(inventory)
            one = workers.serving(first, fleet)
            assert one != zero
            assert workers.slots(first, "deactivating", fleet) == [zero], "only the slot of conversations is left"
            unchanging(inventory)
            other.unnoticed()
        talk.unnoticed()
    workers.ended(first, zero, fleet=fleet)
