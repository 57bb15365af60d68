"""Services: what is restarted, what is reloaded, what is left alone."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import Service
from livekit_metal.runtime.host.state import HostState, StateQuery, parse, script
from livekit_metal.runtime.run.task import Action, Plan
from tests.roles.wanted import as_wanted, names

UNIT = "x.service"
SERVICE = Service(UNIT, (File("/etc/x/x.conf", "1"),), reread=(File("/etc/x/list", "a"),))
RELOAD = Action("reload x.service", lambda host: None)


def steps(seen: HostState, service: Service = SERVICE, reload: Action | None = None) -> list[str]:
    return names(Plan(service.actions(seen, lambda host: None, reload=reload)))


def test_what_runs_as_wanted_is_left_alone() -> None:
    assert steps(as_wanted(SERVICE)) == []


def test_a_fresh_host_gets_files_unit_and_proof() -> None:
    wanted = ["write x.conf, list, 50-stamp.conf", f"enable {UNIT}", f"start {UNIT}", f"{UNIT} answers"]
    assert steps(HostState()) == wanted


def test_another_configuration_restarts() -> None:
    seen = as_wanted(Service(UNIT, (File("/etc/x/x.conf", "0"),), reread=SERVICE.reread))
    assert steps(seen) == ["write x.conf, 50-stamp.conf", f"start {UNIT}", f"{UNIT} answers"]


def test_a_file_changed_by_hand_is_put_back_and_restarts() -> None:
    seen = as_wanted(SERVICE)
    seen.files["/etc/x/x.conf"] = "another"
    assert steps(seen) == ["write x.conf", f"start {UNIT}", f"{UNIT} answers"]


def test_limits_come_over_a_process_that_runs() -> None:
    """systemd takes them over into the control group when it reads its files again."""
    limited = dataclasses.replace(SERVICE, limits={"MemoryMax": "75%", "TasksMax": "64"})
    assert limited.all_files[-2].text == "[Service]\nMemoryMax=75%\nTasksMax=64\n"
    assert steps(as_wanted(SERVICE), limited) == ["write 40-limits.conf", f"limit {UNIT}"]
    assert steps(as_wanted(limited), limited) == []


def test_a_file_that_is_reread_restarts_nothing() -> None:
    seen = as_wanted(Service(UNIT, SERVICE.files, reread=(File("/etc/x/list", "b"),)))
    assert steps(seen, reload=RELOAD) == ["write list", RELOAD.name, f"{UNIT} answers"]


def test_a_reload_lost_in_a_killed_deploy_is_made_up_for() -> None:
    assert steps(as_wanted(SERVICE), reload=RELOAD) == [RELOAD.name, f"{UNIT} answers"]


def test_a_restart_needs_no_reload_beside_it() -> None:
    seen = as_wanted(SERVICE)
    seen.units[UNIT]["Stamp"] = "another"
    assert steps(seen, reload=RELOAD) == [f"start {UNIT}", f"{UNIT} answers"]


def test_the_last_table_says_what_became_of_the_process() -> None:
    seen = as_wanted(SERVICE)
    assert (SERVICE.outcome(seen), SERVICE.outcome(seen, "reloaded")) == ("", "reloaded")
    seen.units[UNIT]["Stamp"] = "another"
    assert SERVICE.outcome(seen, "reloaded") == "restarted"
    assert SERVICE.outcome(HostState(), "reloaded") == "started"


@pytest.mark.parametrize(
    ("key", "value"),
    [("ActiveState", "failed"), ("ActiveState", "activating"), ("Stamp", ""), ("Program", "/usr/bin/daemon (deleted)")],
)
def test_a_process_that_is_not_the_wanted_one_is_restarted(key: str, value: str) -> None:
    seen = as_wanted(SERVICE)
    seen.units[UNIT][key] = value
    assert steps(seen) == [f"start {UNIT}", f"{UNIT} answers"]


def test_a_process_with_a_library_that_an_update_has_replaced_is_restarted() -> None:
    """Each of its processes counts; another unit's do not."""
    for pid, wanted in (("7", [f"start {UNIT}", f"{UNIT} answers"]), ("8", [f"start {UNIT}", f"{UNIT} answers"])):
        seen = as_wanted(SERVICE)
        seen.units[UNIT]["MainPID"] = "7"
        seen.answers["old-code"] = [f"{UNIT} {pid} /usr/lib/x86_64-linux-gnu/libssl.so.3"]
        assert steps(seen) == wanted
        assert SERVICE.outcome(seen) == "restarted"
        seen.answers["old-code"] = [f"y.service {pid} /usr/lib/x86_64-linux-gnu/libssl.so.3"]
        assert steps(seen) == []
    assert "old-code" in dict(SERVICE.needs.queries)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a stamp whose program is then replaced, as apt does."""
    program = tmp_path / "daemon"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "60"], env={"LKM_STAMP": "abc123"}) as started:
        yield started
        started.kill()


def test_stamp_and_program_are_read_from_the_process(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(
        f"#!/bin/sh\necho Id={UNIT}; echo MainPID={process.pid}; echo; echo Id=y.service; echo MainPID=0\n"
    )
    systemctl.chmod(0o755)

    def look() -> HostState:
        environment = os.environ | {"PATH": f"{systemctl.parent}:{os.environ['PATH']}"}
        needs = script(StateQuery(units=frozenset({UNIT, "y.service"})))
        done = subprocess.run(["sh", "-s"], input=needs, env=environment, capture_output=True, text=True, check=True)
        return parse(done.stdout)

    program = tmp_path / "daemon"
    assert (look().unit(UNIT, "Stamp"), look().unit(UNIT, "Program")) == ("abc123", str(program))
    assert look().unit("y.service", "Program") == ""
    (tmp_path / "new").write_bytes(b"")
    (tmp_path / "new").rename(program)
    assert look().unit(UNIT, "Program") == f"{program} (deleted)"
