"""What a removal leaves of a host: every action, with all that a deploy may have put there and things of others."""

from __future__ import annotations

import pytest

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Action, Plan
from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.uninstall import removal
from livekit_metal.site.footprint import Footprint, footprint
from livekit_metal.site.model import Site
from tests.support.hosts.local_host import LocalHost
from tests.support.hosts.stand_ins import Units

THEIRS = {
    "/etc/systemd/system/theirs.service": "[Service]\n",
    "/etc/nftables.conf": "flush ruleset\n",
    "/etc/tmpfiles.d/theirs.conf": "",
    "/run/theirs/pid": "1\n",
    "/var/lib/theirs/data": "x\n",
}


class FakeHost:
    """What an action gets as its host: it takes notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def log(self, text: str) -> None:
        self.notes.append(text)


def listing(local: LocalHost) -> set[str]:
    """Every file and link of the host that is not a directory, but for what the stand-in of a host itself needs."""
    found = (path for path in local.root.rglob("*") if not path.is_dir() or path.is_symlink())
    names = {f"/{path.relative_to(local.root)}" for path in found}
    return {name for name in names if not name.startswith(("/etc/alternatives", "/run/livekit-metal."))}


@pytest.fixture
def traces(any_site: Site, local: LocalHost, units: Units) -> Footprint:
    """A host with everything on it that its footprint names, and with things of others beside it."""
    found = footprint(any_site, any_site.for_host("lk1"))
    for name, text in THEIRS.items():
        local.write(name, text)
    for file in found.files:
        local.write(file, "# Managed by livekit-metal\n")
    for directory in found.directories:
        local.write(f"{directory}/inside/file", "ours\n")
    for unit in found.masked:
        local.path(f"/etc/systemd/system/{unit}").unlink(missing_ok=True)
        local.path(f"/etc/systemd/system/{unit}").symlink_to("/dev/null")
    for unit in found.units:
        units[unit] = "active"
        units.busy(unit)
    units[f"{found.rollback}.timer"] = "active"
    units["theirs.service"] = "active"
    slot = next(unit for unit in found.units if "@" in unit)
    local.write(f"/run/systemd/system/{slot}.d/90-livekit-metal-drain.conf", "[Service]\nTimeoutStopSec=5h\n")
    local.write("/run/livekit-metal/candidate-livekit-a")
    local.write(found.package_record, "haproxy\nredis-server\npython3\n")
    local.write(found.user_record, "livekit-gone\n")
    (local.notes / "packages").write_text("haproxy\nredis-server\npython3 their-tool\ntheir-tool\nvim\n")
    (local.notes / "users").write_text("".join(f"{user}\n" for user in (*found.users, "livekit-gone", "ada")))
    ours = "\n".join(found.tables)
    (local.notes / "tables").write_text(f"{ours}\nlivekit_egress_output\ntheirs\nlivekit_others\n")
    return found


def actions(found: Footprint) -> tuple[Action, ...]:
    """With nobody on the host."""
    return removal(found, "lk1", (), drop_calls=False).plan(HostState()).actions


def removed(found: Footprint) -> FakeHost:
    host = FakeHost()
    for action in actions(found):
        action.run(host)  # type: ignore[arg-type]  # it is only logged to
    return host


def test_nothing_of_ours_is_left_and_all_of_others_is(traces: Footprint, local: LocalHost, units: Units) -> None:
    host = removed(traces)
    kept = {"/etc/group", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/passwd"}
    assert listing(local) == kept | set(THEIRS)
    assert {name: local.path(name).read_text() for name in THEIRS} == THEIRS
    assert not [path for path in traces.directories if local.path(path).exists()]
    assert not local.path("/run/livekit-metal").exists()
    assert {units[unit] for unit in traces.units} == {"inactive"}, "however long they would have drained"
    assert units[f"{traces.rollback}.timer"] == "inactive"
    assert units["theirs.service"] == "active"
    assert (local.notes / "users").read_text() == "ada\n"
    assert (local.notes / "tables").read_text() == "theirs\nlivekit_others\n"
    assert host.notes == ["remove: packages stay because their-tool need them: python3 "]
    assert (local.notes / "packages").read_text() == "python3 their-tool\ntheir-tool\nvim\n"


def test_it_may_be_repeated_from_any_point(traces: Footprint, local: LocalHost) -> None:
    todo = actions(traces)
    for number in range(len(todo)):
        for action in todo[: number + 1]:
            action.run(FakeHost())  # type: ignore[arg-type]  # it is only logged to
    assert not [path for path in traces.files if local.path(path).exists()]


def test_a_unit_that_somebody_else_has_put_in_the_place_of_ours_to_mask_stays(
    traces: Footprint, local: LocalHost
) -> None:
    unit = local.path(f"/etc/systemd/system/{traces.masked[0]}")
    unit.unlink()
    unit.write_text("[Service]\n")
    removed(traces)
    assert unit.read_text() == "[Service]\n"


def test_the_deadline_of_a_drain_is_not_waited_for(traces: Footprint, local: LocalHost) -> None:
    actions(traces)[0].run(FakeHost())  # type: ignore[arg-type]  # it is only logged to
    assert local.noted("waited") == []
    assert not list(local.path("/run/systemd/system").glob("livekit-*@*"))
    told = local.noted("systemctl")
    assert told[0] == "daemon-reload", "systemd must have heard of it before the first stop"


def test_people_who_are_still_there_stop_it_unless_their_calls_are_to_be_dropped(
    single: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = single.for_host("lk1")
    (livekit,) = components(stack).values()
    monkeypatch.setattr(livekit, "count", len)
    seen = HostState(answers={livekit.query_all.name: ["ada", "bob", "eve"]})

    def plan(*, drop: bool) -> Plan:
        return removal(footprint(single, stack), "lk1", [livekit], drop_calls=drop).plan(seen)

    with pytest.raises(HostError, match=r"3 participants are still on lk1, which drains: nobody new comes"):
        plan(drop=False)
    assert plan(drop=True).actions


def test_files_of_others_in_a_directory_of_others_keep_it(traces: Footprint, local: LocalHost) -> None:
    parent = next(parent for parent in traces.parents if local.path(parent).is_dir())
    local.write(f"{parent}/theirs", "x")
    removed(traces)
    assert [path.name for path in local.path(parent).iterdir()] == ["theirs"]
