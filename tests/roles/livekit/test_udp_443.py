"""What a deploy does about UDP 443, what the doctor and status say of it, what preflight finds there. No host."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.check_result import Result
from livekit_metal.core.slots.decision import Slot, State
from livekit_metal.roles.livekit import doctor, status
from livekit_metal.roles.livekit.redirect import Redirect
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.tasks import Livekit
from livekit_metal.roles.livekit.turn import REDIRECT_UNIT
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.footprint import footprint
from livekit_metal.site.model import HostStack, Site
from tests.roles.preflight.test_preflight import SOUND, host, said
from tests.support.values.sites import SINGLE

MakeSite = Callable[[dict[str, Any]], Site]
LEADS, GONE = "UDP 443 leads to the active slot", "UDP 443 leads nowhere any more"
ALONE, DRAINING = {"a": Slot(State.RUNNING, "g")}, {"a": Slot(State.RUNNING, "g"), "b": Slot(State.DRAINING, "f")}


@pytest.fixture
def stack(make_site: MakeSite) -> HostStack:
    return make_site(copy.deepcopy(SINGLE) | {"livekit": {"turn": {"udp_443": True}}}).for_host("lk1")


def seen(redirect: Redirect, *, up: bool = True, follows: bool = True, there: bool = True) -> HostState:
    files = [redirect.script, f"{UNITS}/{REDIRECT_UNIT}"] if there else []
    unit = {"ActiveState": "active", "UnitFileState": "enabled"} if up else {}
    answers = {"livekit.udp-443": ["y"] if follows else [], "livekit.udp-443-flows": ["3478 2", "3478 1", "3479 0"]}
    return HostState(files=dict.fromkeys(files, "x"), units={REDIRECT_UNIT: unit}, answers=answers)


@pytest.mark.parametrize(
    ("up", "follows", "changes", "steps"),
    [
        (True, True, False, []),
        (True, False, False, [LEADS]),  # a deploy died in the middle, or somebody took the rules away
        (True, False, True, []),  # the same command in which sessions change slots does it
        (False, True, True, [LEADS]),  # the first
    ],
)
def test_it_is_led_to_the_active_slot(
    stack: HostStack, *, up: bool, follows: bool, changes: bool, steps: list[str]
) -> None:
    redirect = Redirect.of(stack.the(Settings))
    found = redirect.actions(seen(redirect, up=up, follows=follows), ALONE, changes=changes)
    assert [each.name for each in found] == steps


def test_a_rollback_to_before_the_script_came_does_not_ask_for_it(stack: HostStack) -> None:
    redirect = Redirect.of(stack.the(Settings))
    assert not list(redirect.actions(seen(redirect, up=False, there=False), ALONE, changes=True))


@pytest.mark.parametrize(
    ("slots", "changes", "steps"), [(ALONE, False, [GONE]), (DRAINING, False, []), (ALONE, True, [])]
)
def test_turned_off_it_goes_when_no_slot_drains(
    stack: HostStack, slots: dict[str, Slot], *, changes: bool, steps: list[str]
) -> None:
    redirect = dataclasses.replace(Redirect.of(stack.the(Settings)), wanted=False)
    state = seen(redirect)
    assert [each.name for each in redirect.actions(state, slots, changes=changes)] == steps
    assert bool(redirect.notes(state, slots, changes=changes)) is not bool(steps)
    assert not list(redirect.actions(seen(redirect, there=False), slots, changes=changes))


def test_sessions_and_newcomers_change_slots_in_one_command(stack: HostStack) -> None:
    change = Livekit(stack.the(Settings)).switchover()
    for program, word in ((change.flip, "flip"), (change.close, "write")):
        assert program.startswith(f"set -- /etc/livekit-metal/udp-443.sh {word}\n")


def test_the_doctor_and_status_say_where_it_leads(stack: HostStack) -> None:
    own = stack.the(Settings)
    redirect = Redirect.of(own)
    (good,), (bad,) = (doctor.checks(stack, own, seen(redirect, follows=follows)) for follows in (True, False))
    assert (good.check, good.result, bad.result) == ("udp-443", Result.OK, Result.FAILED)
    assert bad.remedy.startswith(f"systemctl restart {REDIRECT_UNIT}, or deploy")
    assert status.line(own, seen(redirect)) == "UDP 443: leads to the active slot; 3 with port 3478"
    assert "does not lead to the active slot: deploy" in status.line(own, seen(redirect, follows=False))


def test_it_goes_with_the_host(stack: HostStack, make_site: MakeSite) -> None:
    """Also where it was turned off lately."""
    for turn in ({"udp_443": True}, {}):
        site = make_site(copy.deepcopy(SINGLE) | {"livekit": {"turn": turn}})
        traces = footprint(site, site.for_host("lk1"))
        assert Redirect.table in traces.tables
        assert traces.units.count(REDIRECT_UNIT) == 1


QUIC = 'udp UNCONN 0 0 {}:443 0.0.0.0:* users:(("nginx",pid=352,fd=5)) cgroup:/system.slice/nginx.service'
PUBLISHED = "\t\tip daddr 192.0.2.11 udp dport 443 counter packets 0 bytes 0 dnat to 10.88.0.5:443"


@pytest.mark.parametrize(
    ("sockets", "rules", "found"),
    [
        ([], [], []),
        ([QUIC.format("192.0.2.99")], [], []),
        (
            [QUIC.format("0.0.0.0")],
            [],
            [
                "port: 443/udp of livekit/turn is taken by nginx (process 352); stop it, or leave out "
                "livekit.turn.udp_443"
            ],
        ),
        (
            [],
            [PUBLISHED],
            [
                f"port: 443/udp of livekit/turn is led elsewhere by a rule: {PUBLISHED.strip()}; take it away (a "
                "container may publish that port), or leave out livekit.turn.udp_443"
            ],
        ),
    ],
)
def test_who_else_has_the_port_is_named_and_stops_the_deploy(
    stack: HostStack, sockets: list[str], rules: list[str], found: list[str]
) -> None:
    answers = {"sockets": [*SOUND["sockets"], *sockets], "led-turn": rules}
    told = [(text, stops) for text, stops in said(stack.preflight, host(**answers)) if "443/udp of livekit" in text]
    assert told == [(f"lk1: {text}", True) for text in found]
