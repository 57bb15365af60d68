"""A host loses its power while it is being changed: the rest is untouched, and the next run heals."""

from __future__ import annotations

from tests.faults.conftest import Change
from tests.support.calls.background_call import Talk
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import Deploy, deploy, unchanging
from tests.support.hosts.lab import Lab
from tests.support.power import Power


def test_a_host_that_dies_in_its_turn_stops_the_rest(lab: Lab, change: Change, power: Power, talk: Talk) -> None:
    first, second, third = lab.site.hosts
    before = {name: serving(lab.site, name) for name in lab.site.hosts}
    changed = change({"livekit": {"room": {"empty_timeout": 801}}})
    running = Deploy(changed)
    assert running.until(lambda line: f"[{second}] livekit: slot" in line and "join" in line, within=120)
    power("kill", second)
    told = running.end(within=300)
    assert told.status > 0
    assert "Traceback" not in told.text, told.text
    assert serving(lab.site, first).unit != before[first].unit, "the canary was done"
    assert serving(lab.site, third) == before[third], told.text

    limited = deploy(changed, "--limit", first, "--limit", third)  # a host known to be dead is left out
    assert limited.status == 0, limited.text
    assert serving(lab.site, third).unit != before[third].unit
    talk.unnoticed()

    power("start", second)
    healed = deploy(changed)
    assert healed.status == 0, healed.text
    unchanging(changed)
    assert deploy().status == 0
