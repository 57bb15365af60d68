"""What the edge role plans from what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from livekit_metal.roles.edge.settings import UNIT, Settings
from livekit_metal.roles.edge.tasks import _certificates, _complete, _config, _files, activate
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.wanted import as_wanted, look, names

PROOF = "HAProxy runs this configuration and answers"
RELOAD, RESTART, START = ([f"{verb} {UNIT}", PROOF] for verb in ("reload", "restart", "start"))
HOST = {"edge.limit": ["1048576"], "edge.ipv6": ["/proc/net/if_inet6"]}


@pytest.fixture
def edge(cluster: Site) -> Settings:
    found = cluster.for_host("lk1").edge
    assert found is not None
    return found


def host(edge: Settings, active: Sequence[str] = ("livekit a",)) -> HostState:
    """A host where the edge is up to date."""
    known = _complete(edge, HostState(answers=dict(HOST)))[0]
    config, service = _config(known), _files(known)[1]
    haproxy = [
        "Name: HAProxy",
        "Pid: 77",
        f"description: {known.description}",
        "",
        *(f"0x55d0 {line}" for line in active),
        f"called /usr/sbin/haproxy -sf 70 -x sockpair@4 -Ws -f {edge.config_file} ",
    ]
    slots = [line.removeprefix("# slot ") for line in config.text.splitlines() if line.startswith("# slot ")]
    seen = as_wanted(
        service, probes={**HOST, "edge.haproxy": haproxy, "edge.active": list(active), "edge.slots": slots}
    )
    certificates = _certificates(known)
    seen.files |= {f.path: f.sha256 for f in (config, *certificates)} | {edge.active.file: "of its content"}
    seen.stat |= {f.path: (f.mode, f.user, f.group) for f in (config, *certificates)}
    seen.answers["edge.certificates"] = [f.path for f in certificates]
    return seen


def plan(edge: Settings, seen: HostState, *, cut: bool = False) -> Plan:
    return activate(edge, cut=cut).plan(seen)


def test_a_fresh_host_gets_all_of_it(edge: Settings) -> None:
    assert names(plan(edge, HostState(answers=dict(HOST)))) == [
        "create an empty active file",
        "write haproxy.cfg, livekit-edge.service, 40-limits.conf, 50-stamp.conf",
        f"enable {UNIT}",
        *START,
    ]


def test_a_host_as_wanted_is_left_alone(edge: Settings) -> None:
    assert plan(edge, host(edge)) == Plan()
    assert plan(edge, host(edge), cut=True) == Plan(), "a permission is no order"


def test_a_change_of_the_configuration_is_a_reload(edge: Settings) -> None:
    other = dataclasses.replace(edge, max_connections=5000)
    todo = plan(other, host(edge))
    assert (names(todo), todo.notes) == (["write haproxy.cfg", *RELOAD], ())


def test_a_reload_lost_in_a_killed_deploy_is_made_up_for(edge: Settings) -> None:
    """The file is right, the process is not: only HAProxy itself can tell."""
    seen = host(edge)
    lines = seen.answers["edge.haproxy"]
    seen.answers["edge.haproxy"] = ["description: 0123" if line.startswith("desc") else line for line in lines]
    assert names(plan(edge, seen)) == RELOAD


def test_an_edge_that_does_not_say_what_it_runs_is_reloaded(edge: Settings) -> None:
    seen = host(edge)
    seen.answers["edge.haproxy"] = []
    assert names(plan(edge, seen)) == RELOAD


def test_a_new_program_is_a_reload_too(edge: Settings) -> None:
    seen = host(edge)
    seen.units[UNIT]["Program"] = "/usr/sbin/haproxy (deleted)"
    assert names(plan(edge, seen)) == RELOAD


def test_a_new_library_is_a_reload_and_workers_of_before_are_no_reason_for_another(edge: Settings) -> None:
    seen = host(edge)
    seen.units[UNIT]["MainPID"] = "77"
    old = [f"{UNIT} {pid} /usr/lib/x86_64-linux-gnu/libssl.so.3" for pid in (77, 78)]
    seen.answers["old-code"] = old
    assert names(plan(edge, seen)) == RELOAD
    seen.answers["old-code"] = old[1:]  # the master executed itself again; this one still has WebSockets
    assert plan(edge, seen) == Plan()


def test_a_flip_lost_in_a_killed_deploy_is_made_up_for(edge: Settings) -> None:
    seen = host(edge)
    seen.answers["edge.active"] = ["livekit b"]
    assert names(plan(edge, seen)) == ["HAProxy follows the active file"]


@pytest.mark.parametrize("state", ["inactive", "failed", "activating", "deactivating"])
def test_an_edge_that_does_not_run_is_started(edge: Settings, state: str) -> None:
    seen = host(edge)
    seen.units[UNIT] = {"ActiveState": state, "UnitFileState": "enabled"}
    seen.answers["edge.haproxy"] = []
    assert names(plan(edge, seen)) == START


def test_an_edge_that_was_disabled_is_enabled_and_nothing_else(edge: Settings) -> None:
    seen = host(edge)
    seen.units[UNIT]["UnitFileState"] = "disabled"
    assert names(plan(edge, seen)) == [f"enable {UNIT}"]


def test_what_needs_a_restart_is_told_and_not_done(edge: Settings) -> None:
    seen = host(edge)
    seen.units[UNIT]["Stamp"] = "another"
    todo = plan(edge, seen)
    assert (todo.actions, todo.summary) == ((), "")
    assert "--data edge=restart" in todo.notes[0]
    assert "WebSockets" in todo.notes[0]
    permitted = plan(edge, seen, cut=True)
    assert (names(permitted), permitted.notes) == (RESTART, ())


def test_a_configuration_elsewhere_is_refused_before_anything(edge: Settings) -> None:
    moved = dataclasses.replace(edge, config_root="/etc/elsewhere")
    seen = host(moved)
    seen.answers["edge.haproxy"] = host(edge).answers["edge.haproxy"]
    with pytest.raises(HostError, match=r"^paths\.config has moved.*; .*--data edge=restart"):
        plan(moved, seen)
    seen.units[UNIT]["Stamp"] = "another"
    assert names(plan(moved, seen, cut=True)) == RESTART


def test_a_slot_that_runs_keeps_its_ports_until_it_has_ended(edge: Settings, make_site: Callable[..., Site]) -> None:
    moved = {
        "hosts": {"lk1": {"address": "192.0.2.11", "roles": ["livekit", "redis"]}},
        "livekit": {"signal": "8890-8892"},
    }
    other = make_site(moved).for_host("lk1").edge
    assert other is not None
    seen = host(edge)
    seen.units["livekit-server@a.service"] = {"ActiveState": "active"}
    seen.units["livekit-server@b.service"] = {"ActiveState": "deactivating"}
    seen.units["livekit-server@c.service"] = {"ActiveState": "inactive"}
    known = {slot.name: slot.signal for slot in _complete(other, seen)[0].slots}
    assert known == {"a": 7890, "b": 7891, "c": 8892}


def test_turn_of_a_slot_that_runs_is_spoken_to_as_when_it_began(edge: Settings) -> None:
    """Each slot by the version that it runs: the others as the site wants them by now."""
    bare = tuple(dataclasses.replace(slot, header=False) for slot in edge.slots)
    insisting = tuple(dataclasses.replace(slot, header=True) for slot in edge.slots)
    for then, now in ((bare, insisting), (insisting, bare)):
        seen = host(dataclasses.replace(edge, slots=then))
        seen.units["livekit-server@a.service"] = {"ActiveState": "active"}
        seen.units["livekit-server@b.service"] = {"ActiveState": "deactivating"}
        known = {s.name: s.header for s in _complete(dataclasses.replace(edge, slots=now), seen)[0].slots}
        before, after = then[0].header, now[0].header
        assert known == {"a": before, "b": before, "c": after}


def test_a_slot_that_runs_stays_known_though_the_site_has_it_no_more(edge: Settings) -> None:
    fewer = dataclasses.replace(edge, slots=edge.slots[1:])
    seen = host(edge)
    assert [s.name for s in _complete(fewer, seen)[0].slots] == ["b", "c"]
    seen.units["livekit-server@a.service"] = {"ActiveState": "active"}
    assert [s.name for s in _complete(fewer, seen)[0].slots] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("limit", "connections", "told"),
    [
        (["1073741816"], 20000, False),
        (["unlimited"], 20000, False),
        (["41000"], 20000, False),
        (["40998"], 19999, True),
        (["20000"], 9500, True),
    ],
)
def test_connections_follow_the_hosts_limit(edge: Settings, limit: list[str], connections: int, told: bool) -> None:
    known, notes = _complete(edge, HostState(answers={"edge.limit": limit}))
    assert (known.connections, bool(notes)) == (connections, told)
    assert known.client_connections == connections - 100
    assert f"maxconn {connections}\n" in _config(known).text


def test_a_host_with_too_few_files_is_refused(edge: Settings) -> None:
    with pytest.raises(HostError, match="lets a process open 1024 files"):
        plan(edge, HostState(answers={"edge.limit": ["1024"]}))


def test_a_run(fake_run: Callable[..., FakeRun], edge: Settings) -> None:
    """The order on the host: the configuration is checked where it lies, before it replaces the old one."""
    fresh = look(HostState(answers=dict(HOST)))
    done = fake_run(lambda: one_by_one("edge", activate(edge)), answer=lambda _h, c: fresh if "sh -s" in c else "")
    assert done.results["lk1"].word == "done"
    _, *commands = done.commands["lk1"]
    write = next(c for c in commands if "base64 -d" in c)
    assert "haproxy -c -f" in write
    assert write.index('eval "$check"') < write.index("mv -fT")
    assert f"{edge.config_file}.lkm-" in write
    started = next(i for i, c in enumerate(commands) if 'systemctl restart "$1"' in c)
    asked = next(i for i, c in enumerate(commands) if "show info" in c and "until" not in c and "sh -s" not in c)
    assert started < asked


def test_a_reload_that_does_not_come_into_force_fails_the_host(
    fake_run: Callable[..., FakeRun], edge: Settings
) -> None:
    seen = host(edge)
    seen.answers["edge.haproxy"] = []

    def answer(_host: str, command: str) -> str | None:
        if "sh -s" in command:
            return look(seen)
        return None if "show info" in command else ""

    done = fake_run(lambda: one_by_one("edge", activate(edge)), answer=answer)
    assert done.results["lk1"].word == "failed"
    assert "waiting for: HAProxy has the new configuration (" in done.results["lk1"].why
