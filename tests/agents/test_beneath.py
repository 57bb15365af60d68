"""What a worker stands on changes: HAProxy, Redis, livekit-server and the code at once.

A job that starts meanwhile is served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.agents.conftest import SENT, Change, Talking, served
from tests.agents.test_node import FLEET
from tests.support.calls import workers
from tests.support.calls.slots import ended, serving
from tests.support.hosts.deploys import STEP, Deploy

FLEETS = (workers.ECHO, FLEET)


@pytest.fixture(params=FLEETS)
def fleet(request: pytest.FixtureRequest) -> str:
    """Both languages."""
    name: str = request.param
    return name


def under(talking: Talking, fleet: str, inventory: Path, role: str) -> None:
    """Deploy while a conversation goes on; another one begins at the first step of ``role``. Nobody notices."""
    with talking(fleet) as talk:
        deploy = Deploy(inventory)
        assert deploy.until(lambda line: bool((found := STEP.search(line)) and found["step"].startswith(role)), SENT)
        with talking(fleet) as newcomer:
            served(newcomer, talking, fleet)
            told = deploy.end(within=SENT)
            assert told.status == 0, told.text
            newcomer.unnoticed()
        talk.unnoticed()


# what changes -> the role of whose steps a job begins
BENEATH: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "HAProxy": ("edge", {"edge": {"max_connections": 4000, "max_rate_per_address": 190}}),
    "Redis": ("redis", {"redis": {"max_memory_mb": 300}}),
}


@pytest.mark.usefixtures("back")
@pytest.mark.parametrize("what", BENEATH)
def test_what_is_beneath_a_worker_changes(talking: Talking, change: Change, first: Host, what: str, fleet: str) -> None:
    role, settings = BENEATH[what]
    slot = workers.serving(first, fleet)
    before = workers.pid(first, slot, fleet)
    under(talking, fleet, change(settings), role)
    assert workers.pid(first, slot, fleet) == before, "nobody has started it again"


@pytest.fixture
def unhurt(first: Host) -> Iterator[None]:
    """Redis starts again by itself; nobody else does."""
    edge = "systemctl show -p MainPID --value livekit-edge"
    before = first.check_output(edge)
    yield
    assert first.check_output(edge) == before


@pytest.mark.usefixtures("unhurt")
def test_redis_restarts_under_a_conversation(talking: Talking, first: Host, fleet: str) -> None:
    with talking(fleet) as talk:
        first.check_output("systemctl restart livekit-redis")
        with talking(fleet) as newcomer:
            served(newcomer, talking, fleet)
            newcomer.unnoticed()
        talk.unnoticed()


@pytest.mark.usefixtures("back")
def test_livekit_server_and_the_code_change_at_once(
    talking: Talking, change: Change, first: Host, code: Path, site: Site
) -> None:
    name, zero = next(iter(site.hosts)), workers.serving(first)
    server = serving(site, name)
    (code / "agent.py").write_text((code / "agent.py").read_text() + "\n# another one\n")
    both = {"agents": {"echo": {"source": {"python": str(code)}}}, "livekit": {"room": {"empty_timeout": 423}}}
    under(talking, workers.ECHO, change(both), "livekit")
    assert workers.serving(first) != zero
    assert serving(site, name) != server
    workers.ended(first, zero)
    ended(name, server.unit)


@pytest.mark.usefixtures("back")
def test_a_job_begins_while_the_code_changes(talking: Talking, change: Change, code: Path) -> None:
    (code / "agent.py").write_text((code / "agent.py").read_text() + "\n# yet another one\n")
    under(talking, workers.ECHO, change({"agents": {"echo": {"source": {"python": str(code)}}}}), "agents-echo")
