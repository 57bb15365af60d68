"""A host out of service, and one that is given back."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.agents.conftest import SENT, Talking, deployed, served
from tests.support.calls import workers
from tests.support.hosts.deploys import Deploy, unchanging

_ALONE = ("--data", "alone=yes")


@pytest.mark.usefixtures("back")
def test_a_host_in_maintenance_keeps_its_conversations_and_takes_none(talking: Talking, first: Host) -> None:
    slot = workers.serving(first)
    with talking() as talk:
        told = Deploy("inventories/lab_agents.py", "--data", "why=disk", *_ALONE, plan="procedures/drain.py").end(
            within=SENT
        )
        assert told.status == 0, told.text
        assert workers.slots(first, "active") == []
        assert workers.slots(first, "deactivating") == [slot]
        assert workers.rooms(first, slot) == [talk.conversation.room]
        talk.unnoticed()
    workers.ended(first, slot)
    told = Deploy("inventories/lab_agents.py", "--data", "back=yes", plan="procedures/drain.py").end(within=SENT)
    assert told.status == 0, told.text
    with talking() as talk:
        served(talk, talking)
        talk.unnoticed()


def test_nothing_of_a_fleet_stays_on_a_host_that_is_given_back(first: Host, site: Site) -> None:
    name = next(iter(site.hosts))
    words = ("--limit", name, "--data", f"remove={name}", *_ALONE)
    told = Deploy("inventories/lab_agents.py", *words, plan="procedures/remove_host.py").end(within=SENT)
    assert told.status == 0, told.text
    for where in ("/etc", "/opt", "/run", "/var/lib"):  # /run/livekit-metal… are the locks of this very run
        assert first.run(f"find {where} -xdev -name '*livekit*' -not -name 'livekit-metal*'").stdout == "", where
    assert first.run("getent passwd livekit-agents-echo").rc != 0
    deployed()
    unchanging()
