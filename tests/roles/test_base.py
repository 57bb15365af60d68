"""What base plans from what it sees."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core import shell
from livekit_metal.core.errors import SiteError
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.base import journal, tasks
from livekit_metal.roles.base.settings import JOURNALD, Journal, Settings
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.task import Plan, Task
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.support.programs.fakes import Fakes


@pytest.fixture
def settings(single: Site) -> Settings:
    return single.for_host("lk1").base


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch, single: Site, settings: Settings) -> Task:
    """The part that base would register."""
    made: list[Task] = []
    monkeypatch.setattr(tasks, "in_parallel", lambda part, name: made.append(part))
    monkeypatch.setattr(tasks, "before_first_change", lambda action: None)
    assert single.vault is not None
    tasks.prepare(settings, single.vault)
    return made[0]


def seen(
    part: Task, *, packages: tuple[str, ...], time: str = "", container: str = "none", users: str = "livekit"
) -> HostState:
    probes = {
        "base.time": [time] if time else [],
        "base.container": [container],
        "base.users": [users] if users else [],
    }
    return HostState(packages=dict.fromkeys(packages, "1"), answers=probes)


def names(todo: Plan) -> list[str]:
    return [step.name for step in todo.actions]


def test_stock_units_are_masked_before_their_packages_come(part: Task, settings: Settings) -> None:
    todo = part.plan(seen(part, packages=()))
    first, second, *_ = names(todo)
    coming = [unit for unit in settings.masked if unit.removesuffix(".service") in settings.needed]
    assert first == f"mask {', '.join(coming)}"
    assert second.startswith("install ca-certificates, curl, ")
    assert "systemd-timesyncd" in second


def unit(todo_of: Task, name: str, packages: tuple[str, ...], **properties: str) -> Plan:
    """What is planned where the stock unit ``name`` is like that and the others are masked."""
    look = seen(todo_of, packages=packages, container="lxc")
    look.units = {u: {"LoadState": "masked"} for u in todo_of.needs.units} | {name: properties}
    return todo_of.plan(look)


def test_a_stock_unit_that_runs_is_somebodys(part: Task, settings: Settings) -> None:
    """It is not masked away: preflight says when it holds one of our ports."""
    state = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
    assert not [n for n in names(unit(part, "redis-server.service", settings.needed, **state)) if "mask" in n]


def test_a_stock_unit_that_would_start_with_the_next_boot_is_masked(part: Task, settings: Settings) -> None:
    """It would be faster than ours, and have the port."""
    stopped = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "enabled"}
    for server in ("redis-server", "valkey-server"):  # ours, and somebody's beside it
        here = (*settings.needed, server)
        assert names(unit(part, f"{server}.service", here, **stopped))[0] == f"mask {server}.service"
    off = stopped | {"UnitFileState": "disabled"}
    assert not [n for n in names(unit(part, "redis-server.service", settings.needed, **off)) if "mask" in n]


def test_a_unit_of_somebody_that_a_package_would_start_is_refused(part: Task, settings: Settings) -> None:
    """Its file lies where the mask would be: never replace it."""
    look = seen(part, packages=tuple(p for p in settings.needed if p != "prometheus"), container="lxc")
    look.units = {u: {"LoadState": "masked"} for u in part.needs.units}
    look.units["prometheus.service"] = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled"}
    assert names(part.plan(look))[:2] == ["mask prometheus.service", "install prometheus"], "a half-installed package's"
    look.files["/etc/systemd/system/prometheus.service"] = "of somebody"
    with pytest.raises(HostError, match=r"^prometheus\.service is a unit of somebody else's.*; rename or remove it"):
        part.plan(look)


def test_masked_units_and_present_packages_are_left_alone(part: Task, settings: Settings) -> None:
    todo = unit(part, "redis-server.service", settings.needed, LoadState="masked")
    assert not [n for n in names(todo) if "mask" in n or "install" in n]


def test_a_time_service_that_is_off_is_not_replaced(part: Task, settings: Settings) -> None:
    todo = part.plan(seen(part, packages=(*settings.needed, "chrony")))
    assert not [n for n in names(todo) if "install" in n or "time" in n]
    assert todo.notes == ("chrony is installed and does not run: start it (systemctl enable --now chrony)",)


def test_another_time_service_is_left_to_its_work(part: Task, settings: Settings) -> None:
    todo = part.plan(seen(part, packages=settings.needed, time="chrony"))
    assert not [n for n in names(todo) if "install" in n or "time" in n]
    assert todo.notes == ()


def test_a_container_is_told_who_keeps_its_time(part: Task, settings: Settings) -> None:
    todo = part.plan(seen(part, packages=settings.needed, container="lxc"))
    assert todo.notes == ("a container cannot set the clock: the machine outside must keep it in time",)


def test_a_missing_user_is_made(part: Task, settings: Settings) -> None:
    todo = part.plan(seen(part, packages=settings.needed, container="lxc", users=""))
    assert "make users livekit, livekit-node-exporter" in names(todo)


def test_the_secrets_are_saved_before_the_first_change(
    fake_run: Callable[..., FakeRun], single: Site, settings: Settings
) -> None:
    vault = single.vault
    assert vault is not None

    def answer(_host: str, command: str) -> str:
        assert "sh -s" in command or vault.path.exists(), "a host was changed before the secrets were saved"
        probes = "#probe base.time\n#probe base.users\n#probe base.container\nlxc\n"
        return f"{probes}#end" if "sh -s" in command else ""

    assert not vault.path.exists()
    done = fake_run(lambda: tasks.prepare(settings, vault), ("lk1",), answer)
    assert vault.path.exists()
    assert len(done.commands["lk1"]) > 1


def test_secrets_that_cannot_be_saved_stop_everything(
    fake_run: Callable[..., FakeRun], single: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert single.vault is not None

    def refuse() -> None:
        raise HostError("secrets: no space")

    monkeypatch.setattr(tasks, "_save_first", lambda vault: tasks.before_first_change(refuse))
    probes = "#probe base.time\n#probe base.users\n#probe base.container\nlxc\n#end"
    done = fake_run(
        lambda: tasks.prepare(settings, single.vault), ("lk1",), lambda h, c: probes if "sh -s" in c else ""
    )
    assert done.results["lk1"].word == "failed"
    assert len(done.commands["lk1"]) == 1, "the look, and no change"


def test_a_host_is_told_how_far_the_secrets_have_come(part: Task, settings: Settings, single: Site) -> None:
    """As they will be saved, and only then: a run that finds nothing to do writes nothing."""
    assert single.vault is not None
    look = seen(part, packages=settings.needed, container="lxc")
    written = next(step.name for step in part.plan(look).actions if step.name.startswith("write "))
    assert "serial" in written
    assert settings.serial_file in part.needs.files
    single.vault.persist()
    for path in part.needs.files:
        look.stat[path] = ("644", "root", "root")
    line = f"{single.vault.state}\n"
    look.files[settings.serial_file] = hashlib.sha256(line.encode()).hexdigest()
    look.stat[settings.serial_file] = ("600", "root", "root")
    assert "serial" not in next(step.name for step in part.plan(look).actions if step.name.startswith("write "))
    single.vault.rotate_api_key()
    assert "serial" in next(step.name for step in part.plan(look).actions if step.name.startswith("write "))


LIMITED = Journal(max_mb=500, max_age=Duration.parse("30d"))
WRITTEN = "# Managed by livekit-metal; edit the inventory instead (base.journal). Role: base\n[Journal]\n"


def journaled(settings: Settings, journal_settings: Journal, **how: Any) -> list[str]:
    wanted = dataclasses.replace(settings, journal=journal_settings)
    return [step.name for step in journal.actions(wanted, HostState(**how))]


def there(text: str) -> dict[str, Any]:
    return {
        "files": {JOURNALD: hashlib.sha256(text.encode()).hexdigest()},
        "stat": {JOURNALD: ("644", "root", "root")},
    }


def test_the_journal_is_left_alone_where_the_inventory_says_nothing(settings: Settings) -> None:
    assert not settings.journal.limited
    assert journaled(settings, settings.journal) == []
    assert journaled(settings, settings.journal, **there("x")) == [f"remove {JOURNALD}"]


def test_limits_of_the_journal_are_written_and_read(settings: Settings) -> None:
    text = f"{WRITTEN}SystemMaxUse=500M\nMaxRetentionSec=30d\n"
    read = "have journald read its limits"
    assert journaled(settings, LIMITED, answers={"base.journal": []}) == [f"write {JOURNALD.rpartition('/')[2]}", read]
    assert journaled(settings, LIMITED, answers={"base.journal": []}, **there(text)) == []
    assert journaled(settings, LIMITED, answers={"base.journal": ["unread"]}, **there(text)) == [read], "killed before"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"max_mb": 5}, "base.journal.max_mb: is 5; give it 128 or more"),
        ({"max_age": "90s"}, "base.journal.max_age: is 90s; give it 1d or more"),
    ],
)
def test_limits_that_leave_nothing_to_read_are_refused(
    make_site: Callable[[dict[str, Any]], Site], site_data: dict[str, Any], said: dict[str, Any], words: str
) -> None:
    with pytest.raises(SiteError, match=re.escape(words)):
        make_site(site_data | {"base": {"journal": said}})


def test_whether_journald_has_read_its_limits_is_told_by_its_start(tmp_path: Path) -> None:
    file = tmp_path / "limits.conf"
    fakes = Fakes(tmp_path, systemctl="echo $BEGAN")
    script = shell.program(journal.__file__, "journal-unread")

    def said(began: str) -> str:
        fakes.program("systemctl", f"echo {began}")
        return fakes.run(None, script, str(file), "systemd-journald.service").strip()

    assert said("@978307200") == "", "there is no file"
    file.write_text("x")
    assert said("@978307200") == "unread"
    assert said("@4070908800") == ""
    assert said("") == "", "it does not run"


def test_journald_reads_what_is_written(settings: Settings, tmp_path: Path) -> None:
    """systemd's own parser, which says what it does not know."""
    text = files.text("base/journald.conf.j2", base=dataclasses.replace(settings, journal=LIMITED))
    (tmp_path / "etc/systemd/journald.conf.d").mkdir(parents=True)
    (tmp_path / "etc/systemd/journald.conf.d/60-livekit-metal.conf").write_text(text)
    command = ["systemd-analyze", f"--root={tmp_path}", "cat-config", "systemd/journald.conf"]
    assert text in subprocess.run(command, capture_output=True, text=True, check=True).stdout
