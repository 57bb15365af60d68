"""A version that must not follow the one that runs is refused before anything is changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from livekit_metal.roles.livekit import tasks
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots import rollback, upgrade_guard
from livekit_metal.runtime.slots.slotted_service import SlottedService
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun

REFUSED = (
    "slot {}: 1.11.0 runs, and with 1.13.7 clients of the old slot get no new relay over TLS, because from 1.13.0 on "
    "TURN credentials must expire (https://github.com/livekit/livekit/pull/4539); deploy 1.12.0 first (download its "
    "archive and checksums.txt from https://github.com/livekit/livekit/releases/tag/v1.12.0; livekit.source 'file', "
    "livekit.file and livekit.sha256 take the program in it), and 1.13.7 when "
    "no slot runs 1.11.0 any more, or accept it with --data version-skip=accept"
)
RELEASES = {"old": "1.11.0-0123456789ab", "own": "1.12.0-mine-0123456789ab", "new": "1.13.7-0123456789ab"}
WANTED = Generation("new", "/etc/livekit-metal/livekit/new", f"/opt/livekit/{Settings.program}/{RELEASES['new']}")


@pytest.fixture
def livekit(single: Site) -> Settings:
    found = single.for_host("lk1").livekit
    assert found is not None
    return found


@pytest.fixture
def server(livekit: Settings) -> SlottedService:
    return tasks.Livekit(livekit).service(WANTED)


def host(active: str = "", **slots: str) -> HostState:
    """A host with ``slots`` given as "ActiveState generation"."""
    units = {
        Settings.unit.format(slot): dict(zip(("ActiveState", "Stamp"), text.split(), strict=True))
        for slot, text in slots.items()
    }
    listed = [f"{name} /opt/livekit/{Settings.program}/{release} 0" for name, release in RELEASES.items()]
    active_file = [active] if active else []
    return HostState(units=units, answers={"livekit.active": active_file, "livekit.generations": listed})


@pytest.mark.parametrize(
    ("seen", "slot"),
    [
        (host("a", a="active old"), "a"),
        (host("b", a="deactivating old", b="active own"), "a"),  # its clients meet the new version
        (host("a", a="active old", b="active new"), "a"),  # a deploy died before the new one served
    ],
    ids=["it is active", "it drains", "the new one does not serve yet"],
)
def test_it_is_refused_while_a_slot_runs_what_is_too_old(server: SlottedService, seen: HostState, slot: str) -> None:
    with pytest.raises(HostError) as caught:
        upgrade_guard.allowed(Settings.program, server, WANTED, seen, accept=False)
    assert str(caught.value) == REFUSED.format(slot)


@pytest.mark.parametrize(
    "seen",
    [
        host(),
        host("a", a="active own"),
        host("a", a="inactive old"),
        host("a", a="active own", b="active old~alone"),
        host("b", a="deactivating old", b="active new"),
        host("a", a="active gone"),
    ],
    ids=["fresh", "near enough", "it has ended", "a proof, without clients", "the jump is made", "nothing is known"],
)
def test_it_is_allowed_where_nobody_meets_a_version_too_far(server: SlottedService, seen: HostState) -> None:
    assert upgrade_guard.allowed(Settings.program, server, WANTED, seen, accept=False) == ()


def test_what_was_accepted_is_noted(server: SlottedService) -> None:
    (note,) = upgrade_guard.allowed(Settings.program, server, WANTED, host("a", a="active old"), accept=True)
    assert note == f"accepted on {REFUSED.format('a').partition('; ')[0]}"


BACK = f"/opt/livekit/{Settings.program}/{RELEASES['old']}"
REFUSED_BACK = (
    "slot a: 1.13.7 runs, and with 1.11.0 clients of the old slot get no new relay over TLS, because before 1.12.0 "
    "TURN credentials must not expire (https://github.com/livekit/livekit/pull/4505); choose 1.12.0 or newer, or "
    "accept it with --data version-skip=accept"
)
Prepared = Callable[[str, Callable[[], None]], FakeRun]


@pytest.fixture
def prepared(fake_run: Callable[..., FakeRun]) -> Prepared:
    """A preparation, on a host whose active slot runs one of the generations 0123 (old) and 0124 (new)."""

    def run(serves: str, declare: Callable[[], None]) -> FakeRun:
        there = "\n".join(
            (
                "#probe livekit.active", "a",
                "#probe livekit.generations", f"0124 {WANTED.release} 2", f"0123 {BACK} 1",
                "#probe livekit.releases", WANTED.release, BACK, "#probe runner.there",
                "#probe livekit.rejected",
                "#units", "MainPID=7", f"Id={Settings.unit.format('a')}", "ActiveState=active", "",
                "#stamps", f"/proc/7/environ:LKM_STAMP={serves}", "#end",
            )
        )  # fmt: skip
        return fake_run(declare, ("lk1",), lambda _h, c: there if "sh -s" in c else "")

    return run


@pytest.fixture
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.Livekit, "desired", lambda _: (None, WANTED, ()))
    to = rollback.RollbackTarget(Generation("0123", "/etc/livekit-metal/livekit/0123", BACK), "0124", {})
    monkeypatch.setattr(rollback, "target", lambda *_, **__: to)


@pytest.mark.usefixtures("_no_download")
def test_a_refused_jump_changes_no_host(prepared: Prepared, livekit: Settings) -> None:
    done = prepared("0123", lambda: tasks.Livekit(livekit).prepare())
    assert done.results["lk1"].why == f"livekit: {REFUSED.format('a')}"
    assert [c for c in done.commands["lk1"] if "sh -s" not in c] == []


@pytest.mark.usefixtures("_no_download")
def test_an_accepted_jump_goes_on_and_is_told_at_the_end(prepared: Prepared, livekit: Settings) -> None:
    result = prepared("0123", lambda: tasks.Livekit(livekit).prepare(accept_skip=True)).results["lk1"]
    assert (result.word, result.why) == ("prepared", "")
    assert result.notes == [f"livekit: accepted on {REFUSED.format('a').partition('; ')[0]}"]


@pytest.mark.usefixtures("_no_download")
def test_a_rollback_is_a_jump_as_well(prepared: Prepared, livekit: Settings) -> None:
    def attempt(accept: bool) -> FakeRun:
        return prepared("0124", lambda: rollback.prepare(tasks.Livekit(livekit), anything=False, accept_skip=accept))

    assert attempt(False).results["lk1"].why == f"livekit: {REFUSED_BACK}"
    assert attempt(True).results["lk1"].notes == [f"livekit: accepted on {REFUSED_BACK.partition('; ')[0]}"]
