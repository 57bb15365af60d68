"""Prometheus: install is base's; configure, validate, start or reload, prove by what it says it has loaded.

Other targets are a reload. Which configuration the process has is read from its API, where a label of its own target
carries the hash of the file: neither a reload lost in a killed deploy nor one that Prometheus refused goes unnoticed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from functools import partial

from pyinfra.api.host import Host

from livekit_metal.roles.prometheus.settings import UNIT, Settings
from livekit_metal.runtime.host import files, sandbox
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS, Service, limits
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.run.task import Action, Plan, Task

_LOADED = "curl -fsS -m 5 http://{}/api/v1/status/config | grep -o '__lkm_stamp: lkm-[0-9a-f]*'"


def activate(settings: Settings) -> Task:
    """Have Prometheus scrape the site's targets."""
    settings = _stamped(settings)
    service = _service(settings)
    probe = ("prometheus.loaded", _LOADED.format(settings.listen))
    needs = service.needs | StateQuery(files=frozenset({settings.data}), queries=(probe,))
    return Task("prometheus", needs, lambda seen: _plan(settings, service, seen))


def _stamped(settings: Settings) -> Settings:
    draft = "".join(
        files.text(f"prometheus/{name}.j2", prometheus=settings) for name in ("prometheus.yml", "rules.yml")
    )
    # the prefix keeps YAML from taking the hash for a number
    return dataclasses.replace(settings, stamp=f"lkm-{hashlib.sha256(draft.encode()).hexdigest()[:16]}")


def _service(settings: Settings) -> Service:
    config = File(settings.config, files.text("prometheus/prometheus.yml.j2", prometheus=settings))
    if settings.remote_write:  # passwords may be among it
        config = dataclasses.replace(config, mode="640", group="prometheus", secret=True)
    rules = File(settings.rules, files.text("prometheus/rules.yml.j2", prometheus=settings))
    unit = File(f"{UNITS}/{UNIT}", files.text("prometheus/livekit-prometheus.service.j2", prometheus=settings))
    # the syntax alone: the rules that it names are checked as they will be, not as they are
    checks = (
        sandbox.check(unit.path, "/usr/bin/promtool check config --syntax-only", config.path),
        sandbox.check(unit.path, "/usr/bin/promtool check rules", rules.path),
    )
    check: files.Validate = lambda new: " && ".join(each(new) for each in checks)  # noqa: E731
    return Service(UNIT, (unit,), check, reread=(config, rules), limits=limits(tasks=1024))


def _plan(settings: Settings, service: Service, seen: HostState) -> Plan:
    loaded = f"__lkm_stamp: {settings.stamp}"
    has_loaded = partial(_has_loaded, settings=settings, loaded=loaded)
    reload = None
    if service.unread(seen, loaded=seen.answers["prometheus.loaded"] == [loaded]):
        reload = Action(f"reload {UNIT}", lambda host: run(host, "systemctl reload $1", UNIT))
    steps = files.directory(settings.data, seen, mode="750", user="prometheus", group="prometheus")
    steps += service.actions(seen, has_loaded, reload=reload)
    return Plan(steps, service.outcome(seen, "reloaded" if reload else ""))


def _has_loaded(host: Host, settings: Settings, loaded: str) -> None:
    test = f'[ "$({_LOADED.format(settings.listen)})" = "$1" ]'
    until(host, f"{settings.config} loaded", UNIT, test, loaded)
