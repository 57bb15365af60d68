"""The exporters' files: read by systemd, compared with the site."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.core import shell
from livekit_metal.core.ports import Port
from livekit_metal.roles.exporters import tasks
from livekit_metal.roles.exporters.settings import Settings
from livekit_metal.roles.exporters.tasks import _metrics, _node, _redis
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.old_code import OURS, SCRIPT
from livekit_metal.site.model import Site


def exporters(site: Site, host: str) -> Settings:
    found = site.for_host(host).exporters
    assert found is not None
    return found


def all_files(settings: Settings) -> dict[str, File]:
    services = [_metrics(settings), _node(settings), *([_redis(settings)] if settings.redis_address else [])]
    return {f.path.rsplit("/", 1)[1]: f for service, _ in services for f in service.files}


def command(unit: File) -> list[str]:
    """The words of ExecStart."""
    joined = unit.text.replace("\\\n", " ")
    (line,) = [line for line in joined.splitlines() if line.startswith("ExecStart=")]
    return shlex.split(line.removeprefix("ExecStart="))


def port(site: Site, host: str, name: str) -> Port:
    (found,) = [p for p in site.ports(host) if (p.owner, p.name) == ("exporters", name)]
    return found


def test_they_listen_for_the_cluster_only_and_on_loopback_where_there_is_none(any_site: Site) -> None:
    for name, host in any_site.hosts.items():
        units = all_files(exporters(any_site, name))
        at = f"{any_site.inside(name)}:{port(any_site, name, 'node').range}"
        assert f"--web.listen-address={at}" in command(units["livekit-node-exporter.service"])
        if "redis" in host.roles:
            at = f"{any_site.inside(name)}:{port(any_site, name, 'redis').range}"
            assert f"--web.listen-address={at}" in command(units["livekit-redis-exporter.service"])


def test_what_runs_old_code_is_counted_by_unit(any_site: Site, tmp_path: Path) -> None:
    """Where node_exporter looks; units without any as well, and each process once."""
    units = all_files(exporters(any_site, "lk1"))
    script = units["host-metrics.sh"].text.replace(
        SCRIPT.strip(), "printf '%s\\n' 'livekit-edge.service 7 /a.so' 'livekit-edge.service 7 /b.so'"
    )
    script = script.replace(
        OURS, "printf '%s\\n' /proc/7/cgroup:livekit-edge.service /proc/9/cgroup:livekit-redis.service"
    )
    script = re.sub(r"sleep \d+", "exit", script)
    done = subprocess.run(["sh", "-c", script, "sh", tmp_path], capture_output=True, text=True, check=True)
    assert not done.stderr
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["livekit.prom", "state.prom"], "what is half written has another name"
    assert (tmp_path / "livekit.prom").read_text().splitlines()[1:] == [
        "# TYPE livekit_metal_old_code gauge",
        'livekit_metal_old_code{unit="livekit-edge.service"} 1',
        'livekit_metal_old_code{unit="livekit-redis.service"} 0',
    ]
    words = command(units["livekit-node-exporter.service"])
    assert "--collector.textfile" in words
    (directory,) = [w.partition("=")[2] for w in words if w.startswith("--collector.textfile.directory=")]
    assert command(units["livekit-host-metrics.service"])[-1] == directory


def told(tmp_path: Path, *words: str) -> set[str]:
    """What the program says of a host whose systemd has its units in ``tmp_path``; two of its slots run."""
    runs = "printf '%s\\n' :livekit-server@a.service :livekit-server@b.service"
    text = shell.given(
        shell.program(tasks.__file__, "deploy-state"),
        *(str(tmp_path / name) for name in ("active.map", "maintenance", "audit.log", "lock")),
        runs,
        *words,
    )
    environment = {**os.environ, "UNITS": str(tmp_path / "units"), "RUN": str(tmp_path / "run")}
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True, env=environment)
    assert not done.stderr
    return set(done.stdout.splitlines())


def test_slots_drains_and_what_waits_are_told_as_they_stand_on_the_host(tmp_path: Path) -> None:
    for slot, generation in (("a", "one"), ("b", "two"), ("c", "two")):
        directory = tmp_path / "livekit" / generation
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "release").write_text(f"/opt/livekit/livekit-server/1.13.{slot}\n")
        (drop_ins := tmp_path / f"units/livekit-server@{slot}.service.d").mkdir(parents=True)
        (drop_ins / "50-generation.conf").symlink_to(directory / f"slot-{slot}.conf")
    (tmp_path / "livekit/served").mkdir()
    (tmp_path / "livekit/served/one").touch()
    os.utime(tmp_path / "livekit/served/one", (1000, 1000))
    (tmp_path / "active.map").write_text("egress c\nlivekit a\n")
    (drain := tmp_path / "run/livekit-server@b.service.d").mkdir(parents=True)
    (drain / "90-drain.conf").write_text("[Service]\nKillSignal=SIGTERM\nTimeoutStopSec=5h\n")
    os.utime(drain / "90-drain.conf", (2000, 2000))
    (tmp_path / "audit.log").write_text(
        '{"when": "2026-11-29 10:12:57Z", "login": "x", "result": "done"}\n'
        '{"when": "2026-11-29 10:12:59Z", "login": "x", "what": "done: all", "result": "failed: no \\"room\\""}\n'
    )
    (kept := tmp_path / "backup").mkdir()
    (kept / "a.mp4").write_text("x")
    (kept / "empty").touch()
    slots = ("slots", "livekit", "livekit-server@%s.service", str(tmp_path / "livekit"), "90-drain.conf")
    said = told(tmp_path, *slots, "kept", "egress", "backup", str(kept))
    assert said == {
        "livekit_metal_lock_held_since_seconds 0",
        "livekit_metal_maintenance 0",
        "livekit_metal_maintenance_since_seconds 0",
        'livekit_metal_last_change{result="began"} 0',
        'livekit_metal_last_change{result="done"} 0',
        'livekit_metal_last_change{result="failed"} 1',
        "livekit_metal_last_change_seconds 1795947179",
        'livekit_metal_slot_active_since_seconds{daemon="livekit",slot="a"} 1000',
        'livekit_metal_slot{daemon="livekit",slot="a",release="1.13.a",state="active"} 1',
        'livekit_metal_drain_began_seconds{daemon="livekit",slot="b"} 2000',
        'livekit_metal_drain_deadline_seconds{daemon="livekit",slot="b"} 20000',
        'livekit_metal_slot{daemon="livekit",slot="b",release="1.13.c",state="draining"} 1',
        'livekit_metal_active_slots{daemon="livekit"} 1',
        'livekit_metal_generations{daemon="livekit"} 2',
        'livekit_metal_kept_files{daemon="egress",kind="backup"} 1',
    }


def test_maintenance_and_a_slot_that_nobody_is_sent_to_are_told(tmp_path: Path) -> None:
    (tmp_path / "maintenance").write_text("{}")
    os.utime(tmp_path / "maintenance", (3000, 3000))
    slots = ("slots", "livekit", "livekit-server@%s.service", str(tmp_path / "none"), "90-drain.conf")
    said = told(tmp_path, *slots)
    assert {"livekit_metal_maintenance 1", "livekit_metal_maintenance_since_seconds 3000"} <= said
    assert 'livekit_metal_active_slots{daemon="livekit"} 0' in said
    assert not [line for line in said if "last_change" in line], "nothing has changed it yet"


def test_an_address_of_ipv6_is_written_in_brackets(
    site_data: dict[str, object], make_site: Callable[..., Site]
) -> None:
    site_data["hosts"]["lk1"]["cluster"] = "fd00::11"  # type: ignore[index]
    settings = exporters(make_site(site_data), "lk1")
    assert "--web.listen-address=[fd00::11]:9100" in command(all_files(settings)["livekit-node-exporter.service"])
    assert "--redis.addr=redis://[fd00::11]:6379" in command(all_files(settings)["livekit-redis-exporter.service"])


def test_redis_is_looked_at_beside_redis_only(any_site: Site) -> None:
    for name, host in any_site.hosts.items():
        there = "livekit-redis-exporter.service" in all_files(exporters(any_site, name))
        assert there == ("redis" in host.roles), name


def test_the_password_of_monitor_is_in_the_environment_file_and_nowhere_else(any_site: Site) -> None:
    assert any_site.vault is not None
    units = all_files(exporters(any_site, "lk1"))
    environment = units.pop("redis-exporter.env")
    lines = [line for line in environment.text.splitlines() if not line.startswith("#")]
    assert lines == [f'REDIS_PASSWORD="{any_site.vault.passwords("redis-monitor")[0].reveal()}"']
    assert (environment.mode, environment.user, environment.secret) == ("600", "root", True)
    assert f"EnvironmentFile={environment.path}\n" in units["livekit-redis-exporter.service"].text
    assert environment.path.startswith(f"{any_site.paths.config}/")
    assert not [v for v in any_site.vault.every_value() if v in "".join(f.text for f in units.values())]


@pytest.mark.parametrize(
    "unit", ["livekit-host-metrics.service", "livekit-node-exporter.service", "livekit-redis-exporter.service"]
)
def test_the_units_are_sound_and_tight(any_site: Site, unit: str, verify_unit: Callable[[str, str], float]) -> None:
    assert verify_unit(unit, all_files(exporters(any_site, "lk1"))[unit].text) <= 2.0


def test_no_collector_is_asked_for_but_those_named(any_site: Site) -> None:
    words = command(all_files(exporters(any_site, "lk1"))["livekit-node-exporter.service"])
    assert "--collector.disable-defaults" in words
    assert {"--collector.netstat", "--collector.conntrack", "--collector.timex", "--collector.systemd"} <= set(words)
