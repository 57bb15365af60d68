"""The firewall's plan while relays' ports move: what the rules remember, and for how long."""

from __future__ import annotations

import dataclasses

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.firewall.relays import Former
from livekit_metal.roles.firewall.state import PROBE
from livekit_metal.roles.firewall.tasks import _main
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site
from tests.roles.firewall.test_firewall import CHANGE, host, plan
from tests.roles.wanted import names


def test_relays_of_before_a_move_are_known_until_no_slot_can_have_them(cluster: Site) -> None:
    livekit = dataclasses.replace(cluster.livekit, turn_relay=PortRange(21000, 21299))
    settings, mine = dataclasses.replace(cluster, livekit=livekit).for_host("lk1").firewall, "livekit/turn-relay"
    former = (Former(PortRange(30000, 39999), mine),)
    main, stamp = _main(settings, former=former)
    assert f"# FORMER 30000-39999 {mine}: " in main.text

    def then(*more: str) -> Plan:
        seen = host(settings, f"former 30000-39999 {mine}", *more)
        seen.answers[PROBE][1] = f"stamp {stamp}"
        seen.files[main.path] = main.sha256
        return plan(settings, seen)

    assert names(then("age 17999")) == []
    assert names(then("age 18001", "bound udp 0.0.0.0:30001")) == []
    assert names(then("age 18001")) == CHANGE
