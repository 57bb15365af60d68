"""What the kamailio role plans from what it sees: a restart only where nothing less will do."""

from __future__ import annotations

import dataclasses

import pytest

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import UNIT, Settings, Source
from livekit_metal.roles.kamailio.tasks import _service, activate
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.roles.wanted import as_wanted, names

RESTART = [f"start {UNIT}", f"{UNIT} answers"]
REREAD = ["re-read who may call", f"{UNIT} answers"]


@pytest.fixture
def kamailio(phones: Site) -> Settings:
    found = phones.for_host("lk1").kamailio
    assert found
    return found


def host(settings: Settings, *, loaded: bool = True, follows: bool = True) -> HostState:
    """A host where ``settings`` run."""
    said = {"kamailio.files": ["y"] * loaded, "kamailio.follows": ["y"] * follows}
    return as_wanted(_service(settings), probes=said)


def plan(settings: Settings, seen: HostState) -> list[str]:
    return names(activate(settings).plan(seen))


def test_a_fresh_host_gets_all_of_it(kamailio: Settings) -> None:
    assert plan(kamailio, HostState(answers={"kamailio.files": [], "kamailio.follows": []})) == [
        "write kamailio.cfg, livekit-kamailio.service, sources, dispatch.sh and 3 more",
        f"enable {UNIT}",
        *RESTART,
    ]


def test_a_host_as_wanted_is_left_alone(kamailio: Settings) -> None:
    assert plan(kamailio, host(kamailio)) == []


def test_another_network_or_number_is_no_restart(kamailio: Settings) -> None:
    more = (*kamailio.sources, Source(network="192.0.2.0/28", numbers=Secret("n", "+1")))
    todo = activate(dataclasses.replace(kamailio, sources=more)).plan(host(kamailio, loaded=False))
    assert (names(todo), todo.summary) == (["write sources", *REREAD], "re-read")


def test_a_re_read_that_a_killed_deploy_left_out_is_made_up_for(kamailio: Settings) -> None:
    assert plan(kamailio, host(kamailio, loaded=False)) == REREAD


def test_a_flip_that_a_killed_deploy_left_out_is_made_up_for(kamailio: Settings) -> None:
    assert plan(kamailio, host(kamailio, follows=False)) == ["follow the active file"]


def test_another_configuration_is_a_restart(kamailio: Settings) -> None:
    todo = activate(dataclasses.replace(kamailio, flood=99)).plan(host(kamailio))
    assert (names(todo), todo.summary) == (["write kamailio.cfg, 50-stamp.conf", *RESTART], "restarted")
