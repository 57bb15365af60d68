"""The way back to what served before, and out of service: what is planned from what is seen."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.livekit import maintenance, tasks, turn
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Task
from livekit_metal.runtime.slots import rollback
from livekit_metal.runtime.slots.components import changed
from livekit_metal.site.model import Site
from tests.roles.livekit.test_livekit import host, names
from tests.support.values.sites import SINGLE

OTHERS = {"lk2": "10.0.0.12:7870", "lk3": "10.0.0.13:7870"}


def seen(settings: Settings, serving: str, *records: str, rejected: tuple[str, ...] = ()) -> HostState:
    """A host where slot b serves generation ``serving``; ``records`` are "GENERATION SERVED"."""
    directory = f"{settings.release_root}/livekit-server"
    listed = [f"{name} {directory}/1.13.4-old {served}" for name, served in (r.split() for r in records)]
    found = host("b", tuple(listed), (f"{directory}/1.13.4-old",), b=f"active {serving}")
    found.answers["livekit.rejected"] = list(rejected)
    found.answers["livekit.ports"] = [
        f"{r.split()[0]}/ports:{line}"
        for r in records
        for line in ("# Managed", "slots x y z", "range signal 1890-1892", "slot x signal 1890 metrics 6789")
    ]
    return found


def test_it_goes_back_to_what_served_last_and_was_not_rejected(livekit: Settings, wanted: tasks.Generation) -> None:
    mark = "gone " + json.dumps({"who": "ada@desk", "when": "then", "why": ""})
    now = seen(
        livekit, wanted.name, f"{wanted.name} 900", "gone 800", "old 700", "older 600", "new 0", rejected=(mark,)
    )
    found = rollback.target(tasks.Livekit(livekit), now, anything=False)
    assert isinstance(found, rollback.RollbackTarget)
    assert (found.generation.name, found.rejected) == ("old", wanted.name)
    assert found.generation.release.endswith("/1.13.4-old")
    assert found.then == {"slots": ("x", "y", "z"), "signal": PortRange(1890, 1892), "turn_header": False}


@pytest.mark.parametrize(("record", "header"), [("", False), (" turn PROXY", True)])
@pytest.mark.parametrize("release", ["1.13.5", "1.13.7"])
def test_turn_of_what_is_gone_back_to_is_spoken_to_as_it_was_made(
    livekit: Settings, release: str, record: str, header: bool
) -> None:
    """Whatever the inventory's release would want, and whatever livekit-metal asked for then."""
    of_now = replace(livekit, release=release, turn=replace(livekit.turn, domain="turn.example.org"))
    now = seen(of_now, "young", "young 900", "old 700")
    now.answers["livekit.ports"] = [
        f"{line}{record}" if "slot x" in line else line for line in now.answers["livekit.ports"]
    ]
    found = rollback.target(tasks.Livekit(of_now), now, anything=True)
    assert isinstance(found, rollback.RollbackTarget)
    assert turn.header(of_now) == (release == "1.13.7")
    assert turn.header(replace(of_now, **found.then)) == header


def test_a_host_that_the_change_has_not_reached_is_left_alone(livekit: Settings, wanted: tasks.Generation) -> None:
    found = rollback.target(
        tasks.Livekit(livekit), seen(livekit, "old", f"{wanted.name} 0", "old 700", "older 1"), anything=False
    )
    assert found == f"generation old serves, not {wanted.name} of the inventory: nothing to roll back"


@pytest.mark.parametrize(
    ("serving", "records", "anything", "said"),
    [
        ("old", ["old 700", "older 600"], False, "which was never deployed here; restore the inventory"),
        ("old", ["old 700"], True, "no other generation has served here: nothing to go back to"),
        ("", ["old 700"], False, "no slot serves here"),
    ],
)
def test_what_cannot_be_rolled_back_says_why(
    livekit: Settings, serving: str, records: list[str], anything: bool, said: str
) -> None:
    now = seen(livekit, serving, *records)
    if not serving:
        now.units.clear()
    with pytest.raises(HostError, match=said):
        rollback.target(tasks.Livekit(livekit), now, anything=anything)


def test_whatever_serves_can_be_rolled_back_when_asked(livekit: Settings) -> None:
    found = rollback.target(tasks.Livekit(livekit), seen(livekit, "old", "old 700", "older 600"), anything=True)
    assert isinstance(found, rollback.RollbackTarget)
    assert found.generation.name == "older"


def test_a_release_that_is_gone_is_not_started(livekit: Settings, wanted: tasks.Generation) -> None:
    now = seen(livekit, wanted.name, f"{wanted.name} 900", "old 700")
    now.answers["livekit.releases"] = []
    with pytest.raises(HostError, match=r"1\.13\.4-old, which served before, is gone"):
        rollback.target(tasks.Livekit(livekit), now, anything=False)


def test_what_is_given_up_is_recorded_before_sessions_move(livekit: Settings, wanted: tasks.Generation) -> None:
    now = seen(livekit, wanted.name, f"{wanted.name} 900", "old 700")
    to = rollback.target(tasks.Livekit(livekit), now, anything=False)
    assert isinstance(to, rollback.RollbackTarget)
    steps = names(rollback.roll_back(tasks.Livekit(livekit), to, "why").plan(now))
    assert steps[-2:] == [f"record that {wanted.name} was rolled back", "slot c: new sessions go here, slot b drains"]


def test_a_rejected_generation_is_deployed_only_when_accepted(livekit: Settings, wanted: tasks.Generation) -> None:
    mark = f"{wanted.name} " + json.dumps({"who": "ada@desk", "when": "then", "why": "no sound"})
    now, history = seen(livekit, "old", "old 700", rejected=(mark,)), tasks.Livekit(livekit).service().history
    with pytest.raises(HostError, match=f"rolled back by ada@desk at then: no sound; .* --data accept={wanted.name}"):
        history.acceptance(wanted.name, now, [])
    assert [s.name for s in history.acceptance(wanted.name, now, ["x", wanted.name])] == ["accept what was rolled back"]
    assert history.acceptance("other", now, []) == ()


def drained(settings: Settings, now: HostState, *answers: str, alone: bool = False) -> list[str]:
    part: Task = maintenance.drain(settings, "/etc/x/maintenance", OTHERS, why="power", alone=alone)
    now.answers["livekit.others"] = list(answers)
    return names(part.plan(now))


def test_a_host_is_drained_when_another_one_takes_its_sessions(livekit: Settings) -> None:
    steps = drained(livekit, seen(livekit, "old"), "10.0.0.12:7870 503", "10.0.0.13:7870 200")
    assert steps == ["mark the host", "new sessions go to other hosts, slot b drains"]


def test_the_last_host_that_serves_is_not_drained_unless_it_is_meant(livekit: Settings) -> None:
    with pytest.raises(HostError, match=r"\(lk2 says 503, lk3 says nothing\).*--data alone=yes"):
        drained(livekit, seen(livekit, "old"), "10.0.0.12:7870 503")
    assert drained(livekit, seen(livekit, "old"), alone=True)[0] == "mark the host"


def test_a_host_out_of_service_stays_so_and_nothing_is_done_twice(livekit: Settings) -> None:
    now = seen(livekit, "old")
    now.answers |= {"maintenance": ['{"who": "ada@desk", "since": "then", "why": ""}'], "livekit.active": []}
    now.units["livekit-server@b.service"]["ActiveState"] = "deactivating"
    assert drained(livekit, now, "10.0.0.12:7870 200") == []


def test_the_record_of_a_generation_is_read_as_it_is_written(livekit: Settings) -> None:
    """What `target` parses is what prepare writes."""
    _, generation, files = tasks.Livekit(livekit).desired()
    (record,) = [f.text for f in files if f.path.endswith("/ports")]
    ports = [f"{generation.name}/ports:{line}" for line in record.splitlines()]
    then = rollback._then(tasks.Livekit(livekit), generation.name, ports)
    assert then == {"slots": livekit.slots, **livekit.ranges, "turn_header": False}


def test_a_host_with_settings_of_its_own_goes_back_too(make_site: Callable[[dict[str, Any]], Site]) -> None:
    data = copy.deepcopy(SINGLE)
    data["hosts"]["lk1"]["settings"] = {"livekit": {"log_level": "debug"}}
    then = changed(make_site(data), "livekit", {"signal": PortRange(1890, 1892)}).for_host("lk1").the(Settings)
    assert (then.signal, then.log_level) == (PortRange(1890, 1892), "debug")
