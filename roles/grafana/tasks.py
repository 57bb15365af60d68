"""Grafana: bring the program, configure, provision, (re)start, prove by its own word that it is well.

Dashboards are read by Grafana itself while it runs; another source, configuration or password is a restart.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.grafana.settings import UNIT, USER, Settings
from livekit_metal.runtime.artifacts.push import pieces, progress, send
from livekit_metal.runtime.artifacts.store import sha256_of
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.files import File, bundle
from livekit_metal.runtime.host.service import UNITS, Service, limits
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.run.task import Action, Plan, Task

_UNPACK = shell.program(__file__, "unpack")
_THERE = "test -x {}/bin/grafana && echo there"
_WELL = 'curl -fsS -m 5 "http://$1/api/health" | grep -q \'"database": *"ok"\''


def activate(settings: Settings) -> Task:
    """Have Grafana show the site's dashboards."""
    service, shown = _service(settings), _dashboards(settings)
    queries = (("grafana.there", _THERE.format(settings.home)),)
    needs = service.needs | files.needs(shown) | StateQuery(files=frozenset({settings.data}), queries=queries)
    return Task("grafana", needs, partial(_plan, settings, service, shown))


def _service(settings: Settings) -> Service:
    assert settings.password is not None
    password = settings.password.reveal()
    sources = (path for path in settings.provisioned if "/provisioning/" in path)
    return Service(
        UNIT,
        (
            File(f"{UNITS}/{UNIT}", files.text("grafana/livekit-grafana.service.j2", grafana=settings)),
            File(settings.config_file, files.text("grafana/grafana.ini.j2", grafana=settings), "640", group=USER),
            File(settings.password_file, password, "600", secret=True),  # systemd hands it to the daemon
            *(File(path, settings.provisioned[path]) for path in sources),
        ),
        limits=limits(tasks=512),
    )


def _dashboards(settings: Settings) -> tuple[File, ...]:
    return tuple(File(path, text) for path, text in settings.provisioned.items() if "/provisioning/" not in path)


def _plan(settings: Settings, service: Service, shown: tuple[File, ...], seen: HostState) -> Plan:
    steps: tuple[Action, ...] = ()
    if seen.answers.get("grafana.there") != ["there"]:
        steps = (Action(f"push {Path(settings.path).name}", partial(_bring, settings=settings)),)
    steps += files.directory(settings.data, seen, mode="750", user=USER, group=USER)
    steps += bundle(shown, seen)
    steps += service.actions(seen, partial(_well, settings=settings))
    return Plan(steps, service.outcome(seen))


def _bring(host: Host, settings: Settings) -> None:
    file = Path(settings.path)
    if (got := sha256_of(file)) != settings.sha256:
        raise HostError(f"grafana.sha256: {file} has {got}; see where it is from, or correct the sum")
    size = file.stat().st_size
    args = (settings.release, file.name, settings.sha256)
    send(host, _UNPACK, args, progress(host, pieces(file), size), f"{size >> 20} MB to {settings.release}")


def _well(host: Host, settings: Settings) -> None:
    until(host, f"http://{settings.listen}/api/health", UNIT, _WELL, settings.listen)
